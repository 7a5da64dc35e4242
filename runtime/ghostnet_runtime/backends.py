"""The libraries that run a network, behind one call."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from .description import METADATA_KEY, Description, read_description
from .errors import ModelError, OptionError

MODEL_SUFFIXES = {".onnx", ".xml", ".param"}


class Backend(Protocol):
    """An opened model.

    Attributes:
        inputs: Names of its inputs.
        description: The text that the file carries, or ``None``.
    """

    inputs: Sequence[str]
    description: str | None

    def run(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Compute the outputs ``names``, each with the batch as its first dimension."""


class OnnxBackend:
    """ONNX Runtime on the CPU."""

    def __init__(self, path: Path, threads: int | None):
        runtime = _library("onnxruntime", "onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.inter_op_num_threads = 1
        if threads is not None:
            options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        try:
            self._session = runtime.InferenceSession(str(path), options, providers)
        except Exception as error:  # a class of its own for each of its error codes
            raise _unreadable(path, error) from error
        self.inputs = [one.name for one in self._session.get_inputs()]
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.description = metadata.get(METADATA_KEY)

    def run(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Compute the outputs ``names``."""
        values = self._session.run(list(names), dict(inputs))
        return dict(zip(names, values, strict=True))


class OpenVinoBackend:
    """OpenVINO on the CPU, in float32 wherever the model is."""

    def __init__(self, path: Path, threads: int | None):
        openvino = _library("openvino", "openvino")
        core = openvino.Core()
        try:
            model = core.read_model(path)
            # Processors with bfloat16 would use it otherwise, and find other boxes.
            settings: dict[str, Any] = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "f32",
            }
            if threads is not None:
                settings["INFERENCE_NUM_THREADS"] = threads
            self._model = core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise _unreadable(path, error) from error
        self.inputs = [one.any_name for one in self._model.inputs]
        self.description = None
        if model.has_rt_info([METADATA_KEY]):
            self.description = model.get_rt_info([METADATA_KEY]).astype(str)

    def run(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Compute the outputs ``names``."""
        values = self._model(dict(inputs))
        return {name: values[self._model.output(name)] for name in names}


class NcnnBackend:
    """ncnn on the CPU; it knows no batch."""

    description = None

    def __init__(self, path: Path, threads: int | None):
        self._ncnn = _library("ncnn", "ncnn")
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise ModelError(f"{path} needs {weights.name} beside it; copy both.")
        self._net = self._ncnn.Net()
        # Half precision is faster on a phone, and finds other boxes.
        for part in ("packed", "storage", "arithmetic"):
            setattr(self._net.opt, f"use_fp16_{part}", False)
        if threads is not None:
            self._net.opt.num_threads = threads
        failed = self._net.load_param(str(path)) or self._net.load_model(str(weights))
        if failed:
            raise _unreadable(path, f"ncnn's code {failed}")
        self.inputs = list(self._net.input_names())

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


BACKENDS = {".onnx": OnnxBackend, ".xml": OpenVinoBackend, ".param": NcnnBackend}


def open_model(
    path: str | os.PathLike, threads: int | None = None
) -> tuple[Backend, Description]:
    """Open a model with the library that its suffix calls for.

    Args:
        path: An ``.onnx``, ``.xml`` or ``.param`` file.
        threads: How many may work; the default is the library's own choice.

    Raises:
        ModelError: The file is missing, damaged or without a description.
        OptionError: The library is not installed, or ``threads`` is impossible.
    """
    path = Path(path).expanduser()
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}; give 1 or more, or none.")
    if path.suffix.lower() not in MODEL_SUFFIXES:
        raise ModelError(
            f"{path} is no model that can be run here; pass an .onnx, an .xml "
            f"(OpenVINO) or a .param (ncnn) file."
        )
    if not path.is_file():
        raise ModelError(f"The model {path} does not exist; check the path.")
    backend = BACKENDS[path.suffix.lower()](path, threads)
    text, origin = backend.description, path
    if text is None:
        origin = description_file(path)
        if not origin.is_file():
            raise ModelError(
                f"{path} carries no description and there is no {origin.name} beside "
                f"it; export the model with ghostnet_mm."
            )
        text = origin.read_text(encoding="utf-8")
    return backend, read_description(text, str(origin))


def description_file(path: Path) -> Path:
    """Return where the description is that a file does not carry itself."""
    stem = path.with_suffix("")
    if stem.suffix == ".ncnn":
        stem = stem.with_suffix("")
    # Not with_suffix: names such as ghostnet-1.1x_coco have a dot.
    return stem.with_name(f"{stem.name}.json")


def _library(name: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise OptionError(
            f"This model needs {name}, which is not installed; run pip install "
            f"{package}."
        ) from error


def _unreadable(path: Path, reason: object) -> ModelError:
    first_line = str(reason).strip().splitlines()[0] if str(reason).strip() else ""
    return ModelError(
        f"The model {path} cannot be loaded; copy or export it anew ({first_line})."
    )
