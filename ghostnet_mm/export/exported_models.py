"""Exported files of every format, run through the runtime that they are made for.

ONNX, OpenVINO and ncnn files are opened by ``ghostnet_runtime``, as users do; here are
the formats that need more than it. All compute in float32 unless told otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ghostnet_runtime.backends import (
    BACKENDS,
    Backend,
    Opener,
    OpenVinoBackend,
    open_model,
    unreadable_model,
)
from ghostnet_runtime.description import Description, read_description
from ghostnet_runtime.description_text import find_description

from ..errors import OptionError, UserError
from ..measuring.latency import torch_threads
from .formats.libraries import import_library

Arrays = Mapping[str, np.ndarray]
# From inputs by name and the names of the outputs to the outputs.
Compute = Callable[[Arrays, Sequence[str]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class ExportedModel:
    """An open file.

    Attributes:
        path: The file.
        description: What the export says about the model.
        backend: Runs the network.
    """

    path: Path
    description: Description
    backend: Backend

    def run(
        self, image: np.ndarray, image_sizes: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Compute the outputs of a batch.

        Args:
            image: ``(N, 3, H, W)`` float32, normalized and padded; for files with
                preprocessing ``(N, H, W, 3)`` uint8.
            image_sizes: ``(N, 2)`` float32, height and width of each picture inside
                its padded image, for files that have such an input; by default
                pictures fill their images.

        Returns:
            The outputs in the order of the description.

        Raises:
            OptionError: The input is not what the file takes.
        """
        fed = self.description.input
        self._check(image)
        inputs = {fed.name: np.ascontiguousarray(image)}
        if fed.image_sizes is not None:
            if image_sizes is None:
                image_sizes = np.array([image.shape[2:]] * len(image))
            inputs[fed.image_sizes] = np.asarray(image_sizes, np.float32)
        return self.backend.run(inputs, self.description.outputs.names)

    def _check(self, image: np.ndarray) -> None:
        fed = self.description.input
        height, width = fed.size or ("H", "W")
        dtype: str = "float32"
        wanted: tuple[int | str, ...] = (fed.batch or "N", 3, height, width)
        if fed.form == "pixels":
            # The graph resizes: height and width are those of the network inside.
            dtype, wanted = "uint8", (fed.batch or "N", "H", "W", 3)
        fits = image.ndim == len(wanted) and all(
            isinstance(side, str) or side == found
            for side, found in zip(wanted, image.shape, strict=True)
        )
        if not fits or image.dtype != dtype:
            raise OptionError(
                f"{self.path.name} takes {dtype} images of the shape "
                f"({', '.join(map(str, wanted))}), not {image.dtype} of {image.shape}."
            )


def open_exported(
    path: str | os.PathLike[str],
    threads: int | None = None,
    precision: str | None = None,
) -> ExportedModel:
    """Open an exported file; its suffix tells the format.

    Args:
        path: ``.onnx``, OpenVINO's ``.xml``, ncnn's ``.param``, TorchScript's ``.pt``,
            ``.pt2``, ExecuTorch's ``.pte`` or ``.tflite``.
        threads: Of the runtime, by default as many as it chooses. ExecuTorch has one
            pool of threads for the process: the last choice counts for all.
        precision: What OpenVINO computes in, ``f32`` or ``bf16``; for its files only.

    Raises:
        ModelError: The file is missing, damaged or of another kind, or its description
            is missing.
        OptionError: Its runtime is not installed, or an argument is impossible.
    """
    openers = OPENERS
    if precision is not None:
        openers = {".xml": partial(OpenVinoBackend, precision=precision)}
    backend = open_model(path, threads, openers)
    description = read_description(backend.description, backend.origin)
    return ExportedModel(Path(path).expanduser(), description, backend)


class DescribedBackend:
    """A network whose inputs only its description names.

    Args:
        description: JSON.
        origin: The file that it is from, for messages.
        compute: Runs the network.

    Raises:
        ModelError: The text is no description.
    """

    def __init__(self, description: str, origin: Path, compute: Compute):
        self.description, self.origin = description, origin
        fed = read_description(description, origin).input
        self.inputs: Sequence[str] = [
            name for name in (fed.name, fed.image_sizes) if name is not None
        ]
        self.run = compute


def _describing(
    load: Callable[[Path, int | None], Compute], path: Path, threads: int | None
) -> DescribedBackend:
    try:
        compute = load(path, threads)
    except UserError:
        raise
    except Exception as error:
        # What these runtimes raise for damaged files is of any type.
        raise unreadable_model(path, error) from error
    return DescribedBackend(*find_description(path), compute)


def _load_torchscript(path: Path, threads: int | None) -> Compute:
    module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    return _torch_compute(module, threads)


def _load_program(path: Path, threads: int | None) -> Compute:
    return _torch_compute(torch.export.load(str(path)).module(), threads)


def _torch_compute(
    module: Callable[..., Sequence[torch.Tensor]], threads: int | None
) -> Compute:
    def compute(inputs: Arrays, names: Sequence[str]) -> dict[str, np.ndarray]:
        with torch.inference_mode(), torch_threads(threads):
            outputs = module(*(torch.from_numpy(fed) for fed in inputs.values()))
        return {k: v.numpy() for k, v in zip(names, outputs, strict=True)}

    return compute


def _load_executorch(path: Path, threads: int | None) -> Compute:
    runtime = import_library("executorch.runtime", "executorch").Runtime.get()
    if threads is not None:
        bindings = import_library(
            "executorch.extension.pybindings.portable_lib", "executorch"
        )
        bindings._unsafe_reset_threadpool(threads)
    method = runtime.load_program(path).load_method("forward")
    return _torch_compute(lambda *fed: method.execute(list(fed)), None)


def _load_litert(path: Path, threads: int | None) -> Compute:
    litert = import_library("ai_edge_litert.interpreter", "litert")
    interpreter = litert.Interpreter(str(path), num_threads=threads)
    runner = interpreter.get_signature_runner()

    def compute(inputs: Arrays, names: Sequence[str]) -> dict[str, np.ndarray]:
        outputs = runner(**inputs)
        return {name: outputs[name] for name in names}

    return compute


# By suffix of the file.
OPENERS: dict[str, Opener] = {
    **BACKENDS,
    ".pt": partial(_describing, _load_torchscript),
    ".pt2": partial(_describing, _load_program),
    ".pte": partial(_describing, _load_executorch),
    ".tflite": partial(_describing, _load_litert),
}
