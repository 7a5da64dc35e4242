"""The formats of ``tools/export.py``, by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghostnet_runtime.description import Description
from torch import Tensor

from ...errors import OptionError
from ..graph.detection_graph import DetectionGraph
from .executorch import export_executorch
from .litert import export_litert
from .ncnn import export_ncnn
from .onnx.model import export_onnx
from .openvino import export_openvino
from .pytorch import export_program, export_torchscript

Writer = Callable[..., Any]


@dataclass(frozen=True)
class ExportFormat:
    """A kind of file.

    Attributes:
        name: On the command line and in the deploy card.
        suffix: Of the file's name.
        write: Takes graph, description, path, ``example`` and ``onnx_options``.
        modules: Modules that must be installed.
        extra: The extra of ``ghostnet_mm`` that brings them.
        takes_two_stages: Whether it can hold two-stage detectors.
        nms: Whether the graph ends with NMS.
        takes_options: Whether axes can be free, and preprocessing in the graph.
    """

    name: str
    suffix: str
    write: Writer
    modules: tuple[str, ...]
    extra: str | None
    takes_two_stages: bool = False
    nms: bool = False
    takes_options: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether everything that writes and runs it is there."""
        return all(importlib.util.find_spec(one) for one in self.modules)


def _write_onnx(nms: bool) -> Writer:
    def write(
        graph: DetectionGraph,
        description: Description,
        path: Path,
        example: Tensor,
        onnx_options: Mapping[str, bool],
    ) -> None:
        export_onnx(graph, description, path, nms=nms, **onnx_options)

    return write


def _write_openvino(
    graph: DetectionGraph,
    description: Description,
    path: Path,
    example: Tensor,
    onnx_options: Mapping[str, bool],
) -> None:
    export_openvino(graph, description, path, **onnx_options)


def _write_fixed(export: Writer) -> Writer:
    """Formats of one size, without preprocessing: they take the example's."""

    def write(
        graph: DetectionGraph,
        description: Description,
        path: Path,
        example: Tensor,
        onnx_options: Mapping[str, bool],
    ) -> None:
        export(graph, description, path, example=example)

    return write


ONNX = ("onnx", "onnxscript", "onnxruntime")
FORMATS: dict[str, ExportFormat] = {
    one.name: one
    for one in (
        ExportFormat(
            "onnx",
            ".onnx",
            _write_onnx(nms=False),
            ONNX,
            "onnx",
            takes_two_stages=True,
            takes_options=True,
        ),
        ExportFormat(
            "onnx-nms",
            ".nms.onnx",
            _write_onnx(nms=True),
            ONNX,
            "onnx",
            takes_two_stages=True,
            nms=True,
            takes_options=True,
        ),
        ExportFormat(
            "openvino",
            ".xml",
            _write_openvino,
            (*ONNX, "openvino"),
            "openvino",
            takes_two_stages=True,
            takes_options=True,
        ),
        ExportFormat(
            "ncnn", ".ncnn.param", _write_fixed(export_ncnn), ("ncnn", "pnnx"), "ncnn"
        ),
        ExportFormat(
            "torchscript", ".pt", _write_fixed(export_torchscript), (), None, True
        ),
        ExportFormat(
            "exported-program", ".pt2", _write_fixed(export_program), (), None, True
        ),
        ExportFormat(
            "executorch",
            ".pte",
            _write_fixed(export_executorch),
            ("executorch",),
            "executorch",
        ),
        ExportFormat(
            "litert",
            ".tflite",
            _write_fixed(export_litert),
            ("litert_torch", "ai_edge_litert"),
            "litert",
        ),
    )
}


def chosen_formats(
    names: Sequence[str] | None,
    two_stages: bool,
    masks: bool = False,
    any_size: bool = False,
    picture_sizes: bool = False,
) -> tuple[list[ExportFormat], dict[str, str]]:
    """Return the formats to write, and why others are left out.

    Args:
        names: What was asked for; ``None`` for everything that is possible here.
        two_stages: Whether the detector has two stages.
        masks: Whether it predicts masks.
        any_size: Whether its input has no fixed size.
        picture_sizes: Whether boxes are dropped by their size in the picture.

    Raises:
        OptionError: A format that was asked for is unknown, not installed, or cannot
            hold the detector.
    """
    for name in names or ():
        if name not in FORMATS:
            raise OptionError(
                f"--formats {name} is unknown: choose among {', '.join(FORMATS)}."
            )
    chosen, left_out = [], {}
    for name in dict.fromkeys(names or FORMATS):
        one = FORMATS[name]
        reason = None
        if two_stages and not one.takes_two_stages:
            reason = f"{name} cannot hold two-stage detectors"
        elif masks and one.nms:
            reason = f"{name} cannot hold masks"
        elif picture_sizes and one.nms:
            reason = (
                f"{name} does not know how large boxes are in the picture, which "
                f"test_cfg.min_bbox_size asks for: set it to 0"
            )
        elif any_size and not one.takes_options:
            reason = (
                f"{name} needs a fixed size, and this config leaves pictures as large "
                f"as they are"
            )
        elif not one.is_installed:
            reason = (
                f"{name} needs libraries that are not installed: pip install "
                f'"ghostnet_mm[{one.extra}]"'
            )
        if reason is None:
            chosen.append(one)
        elif names:
            raise OptionError(f"{reason}.")
        else:
            left_out[name] = reason
    return chosen, left_out
