"""Exported files of every format, run through the runtime that they are made for.

To detect objects in pictures take ``ghostnet_runtime``, which needs no PyTorch; this
runs the bare file, to compare and to time it. Everything computes in float32.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import OptionError, UserError
from .libraries import import_library
from .model_files import read_description
from .onnx_export import METADATA_KEY

Arrays = Mapping[str, np.ndarray]
Opened = tuple[dict[str, Any], Callable[[Arrays], Arrays]]


@dataclass(frozen=True)
class ExportedModel:
    """An open file.

    Attributes:
        path: The file.
        description: What the export says about the model.
        call: Takes the inputs by name and returns the outputs by name.
    """

    path: Path
    description: dict[str, Any]
    call: Callable[[Arrays], Arrays]

    def run(
        self, image: np.ndarray, image_sizes: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Compute the outputs of a batch.

        Args:
            image: ``(N, 3, H, W)`` float32, normalised and padded; for files with
                preprocessing ``(N, H, W, 3)`` uint8.
            image_sizes: ``(N, 2)`` float32, height and width of each picture inside
                its padded image, for files that have such an input; by default
                pictures fill their images.

        Returns:
            The outputs in the order of the description.

        Raises:
            OptionError: The input is not what the file takes.
        """
        given = self.description["input"]
        self._check(image)
        inputs = {given["name"]: np.ascontiguousarray(image)}
        if given.get("image_sizes"):
            if image_sizes is None:
                image_sizes = np.array([image.shape[2:]] * len(image))
            inputs[given["image_sizes"]] = np.float32(image_sizes)
        outputs = self.call(inputs)
        return {name: outputs[name] for name in self.description["outputs"]["names"]}

    def _check(self, image: np.ndarray) -> None:
        given = self.description["input"]
        height, width = given.get("height") or "H", given.get("width") or "W"
        batch = given.get("batch") or "N"
        if given.get("form") == "pixels":
            # The graph resizes: height and width are those of the network inside.
            dtype, wanted = "uint8", (batch, "H", "W", 3)
        else:
            dtype, wanted = "float32", (batch, 3, height, width)
        fits = image.ndim == len(wanted) and all(
            isinstance(side, str) or side == found
            for side, found in zip(wanted, image.shape, strict=True)
        )
        if not fits or image.dtype != dtype:
            raise OptionError(
                f"{self.path.name} takes {dtype} images of the shape "
                f"({', '.join(map(str, wanted))}), not {image.dtype} of {image.shape}."
            )


def open_exported(path: str | os.PathLike, threads: int | None = None) -> ExportedModel:
    """Open an exported file; its suffix tells the format.

    Args:
        path: ``.onnx``, OpenVINO's ``.xml``, ncnn's ``.param``, TorchScript's ``.pt``,
            ``.pt2``, ExecuTorch's ``.pte`` or ``.tflite``.
        threads: Of the runtime, by default as many as it chooses. ExecuTorch has one
            pool of threads for the process: the last choice counts for all.

    Raises:
        OptionError: The file is missing, damaged or of another kind, its description
            is missing, or its runtime is not installed.
    """
    path = Path(path).expanduser()
    opener = OPENERS.get(path.suffix)
    if opener is None:
        raise OptionError(
            f"{path} is no exported model: its name must end in {', '.join(OPENERS)}."
        )
    if not path.is_file():
        raise OptionError(f"The model {path} does not exist; check the path.")
    if threads is not None and threads < 1:
        raise OptionError(f"threads={threads} is not possible: give at least 1.")
    try:
        description, call = opener(path, threads)
    except UserError:
        raise
    except Exception as error:
        # What the runtimes raise for damaged files is of any type.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OptionError(
            f"{path} cannot be opened: {reason.rstrip('.')}; export it anew."
        ) from error
    return ExportedModel(path, description, call)


def _open_onnx(path: Path, threads: int | None) -> Opened:
    runtime = import_library("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = runtime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    metadata = session.get_modelmeta().custom_metadata_map
    names = [one.name for one in session.get_outputs()]

    def call(inputs: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return _described(metadata.get(METADATA_KEY), path), call


def _open_openvino(path: Path, threads: int | None) -> Opened:
    openvino = import_library("openvino", "openvino")
    _need_weights(path)
    core = openvino.Core()
    model = core.read_model(str(path))
    text = None
    if model.has_rt_info([METADATA_KEY]):
        text = model.get_rt_info([METADATA_KEY]).astype(str)
    # Some CPUs compute in bfloat16 unless told otherwise.
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    compiled = core.compile_model(model, "CPU", options)
    names = [one.get_any_name() for one in compiled.outputs]

    def call(inputs: Arrays) -> Arrays:
        found = compiled(dict(inputs))
        return {name: found[index].copy() for index, name in enumerate(names)}

    return _described(text, path), call


def _open_ncnn(path: Path, threads: int | None) -> Opened:
    ncnn = import_library("ncnn", "ncnn")
    _need_weights(path)
    description = read_description(path)
    net = ncnn.Net()
    # Before loading: weights are converted there.
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, option, False)
    if threads is not None:
        net.opt.num_threads = threads
    for load, file in (
        (net.load_param, path),
        (net.load_model, path.with_suffix(".bin")),
    ):
        if load(str(file)) != 0:
            raise OptionError(f"ncnn cannot read {file}; export it anew.")
    names = description["outputs"]["names"]

    def call(inputs: Arrays) -> Arrays:
        extractor = net.create_extractor()
        for name, values in inputs.items():
            # The copy owns its memory, laid out as ncnn likes it.
            extractor.input(name, ncnn.Mat(values[0]).clone())
        outputs = {}
        for name in names:
            status, values = extractor.extract(name)
            if status != 0:
                raise RuntimeError(f"ncnn could not compute {name} of {path}.")
            outputs[name] = np.array(values)[None]
        return outputs

    return description, call


def _open_torchscript(path: Path, threads: int | None) -> Opened:
    module = torch.jit.load(str(path), map_location="cpu")
    return _torch_call(module, path, threads)


def _open_program(path: Path, threads: int | None) -> Opened:
    return _torch_call(torch.export.load(str(path)).module(), path, threads)


def _torch_call(
    module: Callable[..., Sequence[torch.Tensor]], path: Path, threads: int | None
) -> Opened:
    description = read_description(path)
    names = description["outputs"]["names"]

    def call(inputs: Arrays) -> Arrays:
        with torch.inference_mode(), _torch_threads(threads):
            outputs = module(*(torch.from_numpy(one) for one in inputs.values()))
        return {k: v.numpy() for k, v in zip(names, outputs, strict=True)}

    return description, call


def _open_executorch(path: Path, threads: int | None) -> Opened:
    runtime = import_library("executorch.runtime", "executorch").Runtime.get()
    description = read_description(path)
    if threads is not None:
        bindings = import_library(
            "executorch.extension.pybindings.portable_lib", "executorch"
        )
        bindings._unsafe_reset_threadpool(threads)
    method = runtime.load_program(path).load_method("forward")
    names = description["outputs"]["names"]

    def call(inputs: Arrays) -> Arrays:
        outputs = method.execute([torch.from_numpy(one) for one in inputs.values()])
        return {k: v.numpy() for k, v in zip(names, outputs, strict=True)}

    return description, call


def _open_litert(path: Path, threads: int | None) -> Opened:
    litert = import_library("ai_edge_litert.interpreter", "litert")
    description = read_description(path)
    interpreter = litert.Interpreter(str(path), num_threads=threads)
    runner = interpreter.get_signature_runner()
    return description, lambda inputs: runner(**inputs)


# By suffix of the file.
OPENERS: dict[str, Callable[[Path, int | None], Opened]] = {
    ".onnx": _open_onnx,
    ".xml": _open_openvino,
    ".param": _open_ncnn,
    ".pt": _open_torchscript,
    ".pt2": _open_program,
    ".pte": _open_executorch,
    ".tflite": _open_litert,
}


def _described(text: str | None, path: Path) -> dict[str, Any]:
    if text is None:
        raise OptionError(
            f"{path} holds no description of a detector; export it with "
            "tools/export.py."
        )
    return json.loads(text)


def _need_weights(path: Path) -> None:
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise OptionError(
            f"{path} needs its weights {weights.name} in the same folder; copy them "
            "from where the model was exported."
        )


@contextmanager
def _torch_threads(threads: int | None) -> Iterator[None]:
    """Compute with so many threads: the number is one for the whole process."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
