"""The libraries that run a network, behind one call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from .description_text import METADATA_KEY, find_description
from .errors import ModelError, OptionError
from .libraries import import_library

# What OpenVINO can compute in.
PRECISIONS = ("f32", "bf16")


class Backend(Protocol):
    """An opened model.

    Attributes:
        inputs: Names of its inputs.
        description: What the export says about it, JSON.
        origin: The file that the description is from.
    """

    inputs: Sequence[str]
    description: str
    origin: Path

    def run(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Compute the outputs ``names``, each with the batch as its first dimension."""


class OnnxBackend:
    """ONNX Runtime on the CPU.

    Args:
        path: An ``.onnx`` file.
        threads: How many may work; the default is the library's own choice.

    Raises:
        ModelError: The file is damaged or without a description.
        OptionError: The library is not installed.
    """

    def __init__(self, path: Path, threads: int | None):
        runtime = import_library("onnxruntime", "onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.inter_op_num_threads = 1
        if threads is not None:
            options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        try:
            self._session = runtime.InferenceSession(str(path), options, providers)
            metadata = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # a class of its own for each of its error codes
            raise unreadable_model(path, error) from error
        self.inputs: Sequence[str] = [
            entry.name for entry in self._session.get_inputs()
        ]
        carried = metadata.get(METADATA_KEY)
        self.description, self.origin = find_description(path, carried)

    def run(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Compute the outputs ``names``."""
        values = self._session.run(list(names), dict(inputs))
        return dict(zip(names, values, strict=True))


def openvino_settings(
    threads: int | None, precision: str = PRECISIONS[0]
) -> dict[str, str | int]:
    """Return OpenVINO's settings for one picture at a time.

    Args:
        threads: How many may work; the default is the library's own choice.
        precision: What it computes in, of `PRECISIONS`: processors with bfloat16 would
            use it unless told otherwise.
    """
    settings: dict[str, str | int] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    return settings


class OpenVinoBackend:
    """OpenVINO on the CPU.

    Args:
        path: An ``.xml`` file, its weights beside it.
        threads: How many may work; the default is the library's own choice.
        precision: ``f32`` or ``bf16``, where the model is in float. bfloat16 is
            faster on processors that have it, and finds other boxes.

    Raises:
        ModelError: The file is damaged or without its weights or a description.
        OptionError: The library is not installed, or ``precision`` is none of these.
    """

    def __init__(self, path: Path, threads: int | None, precision: str = PRECISIONS[0]):
        if precision not in PRECISIONS:
            raise OptionError(
                f"precision is {precision!r}; give {' or '.join(PRECISIONS)}."
            )
        openvino = import_library("openvino", "openvino")
        _need_weights(path)
        core = openvino.Core()
        try:
            model = core.read_model(path)
            self._model = core.compile_model(
                model, "CPU", openvino_settings(threads, precision)
            )
            carried = None
            if model.has_rt_info([METADATA_KEY]):
                carried = model.get_rt_info([METADATA_KEY]).astype(str)
        except (RuntimeError, ValueError) as error:  # ValueError: text that is none
            raise unreadable_model(path, error) from error
        # A compiled model keeps its last outputs in a buffer of its own.
        self._in_use = threading.Lock()
        self.inputs: Sequence[str] = [entry.any_name for entry in self._model.inputs]
        self.description, self.origin = find_description(path, carried)

    def run(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Compute the outputs ``names``."""
        with self._in_use:
            values = self._model(dict(inputs))
            return {name: values[self._model.output(name)] for name in names}


class NcnnBackend:
    """ncnn on the CPU; it knows no batch.

    Args:
        path: A ``.param`` file, its weights and its description beside it.
        threads: How many may work; the default is the library's own choice.

    Raises:
        ModelError: The file is damaged or without its weights or its description.
        OptionError: The library is not installed.
    """

    def __init__(self, path: Path, threads: int | None):
        self._ncnn = import_library("ncnn", "ncnn")
        weights = _need_weights(path)
        self._net = self._ncnn.Net()
        # Half precision is faster on a phone, and finds other boxes.
        for part in ("packed", "storage", "arithmetic"):
            setattr(self._net.opt, f"use_fp16_{part}", False)
        if threads is not None:
            self._net.opt.num_threads = threads
        failed = self._net.load_param(str(path)) or self._net.load_model(str(weights))
        if failed:
            raise unreadable_model(path, f"ncnn's code {failed}")
        self.inputs: Sequence[str] = list(self._net.input_names())
        self.description, self.origin = find_description(path)

    def run(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Compute the outputs ``names``."""
        extractor = self._net.create_extractor()
        for name, values in inputs.items():
            # The copy has memory of its own, in the layout that ncnn expects.
            extractor.input(name, self._ncnn.Mat(values[0]).clone())
        results = {}
        for name in names:
            failed, values = extractor.extract(name)
            if failed:
                raise ModelError(
                    f"ncnn cannot compute {name} (code {failed}); export it anew."
                )
            results[name] = np.array(values)[None]
        return results


Opener = Callable[[Path, int | None], Backend]
BACKENDS: dict[str, Opener] = {
    ".onnx": OnnxBackend,
    ".xml": OpenVinoBackend,
    ".param": NcnnBackend,
}


def open_model(
    path: str | os.PathLike[str],
    threads: int | None = None,
    openers: Mapping[str, Opener] = BACKENDS,
) -> Backend:
    """Open a model with the library that its suffix calls for.

    Args:
        path: The file.
        threads: How many may work; the default is the library's own choice.
        openers: What opens a file, by suffix.

    Raises:
        ModelError: The file is missing, damaged or without a description.
        OptionError: The library is not installed, or ``threads`` is impossible.
    """
    path = Path(path).expanduser()
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}; give 1 or more, or none.")
    opener = openers.get(path.suffix.lower())
    if opener is None:
        raise ModelError(
            f"{path} is no model that can be run here; its name must end in "
            f"{', '.join(openers)}."
        )
    if not path.is_file():
        raise ModelError(f"The model {path} does not exist; check the path.")
    return opener(path, threads)


def unreadable_model(path: Path, reason: object) -> ModelError:
    """Return the error for a file that a library cannot load, for its ``reason``."""
    lines = str(reason).strip().splitlines() or [type(reason).__name__]
    return ModelError(
        f"The model {path} cannot be loaded; copy or export it anew ({lines[0]})."
    )


def _need_weights(path: Path) -> Path:
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise ModelError(f"{path} needs {weights.name} beside it; copy both.")
    return weights
