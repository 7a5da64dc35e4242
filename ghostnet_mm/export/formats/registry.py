"""The formats of ``ghostnet export``, by name."""

from __future__ import annotations

from collections.abc import Sequence

from ghostnet_runtime.description import Description

from ...errors import OptionError
from ..graph.exportable_graph import ExportableGraph
from .base import ExportFormat
from .executorch import ExecuTorchFormat
from .litert import LiteRtFormat
from .ncnn import NcnnFormat
from .onnx.format import OnnxFormat, OnnxNmsFormat
from .openvino import OpenVinoFormat
from .pytorch import ProgramFormat, TorchScriptFormat

FORMATS: dict[str, ExportFormat] = {
    known.name: known
    for known in (
        OnnxFormat(),
        OnnxNmsFormat(),
        OpenVinoFormat(),
        NcnnFormat(),
        TorchScriptFormat(),
        ProgramFormat(),
        ExecuTorchFormat(),
        LiteRtFormat(),
    )
}


def chosen_formats(
    names: Sequence[str] | None, graph: ExportableGraph, description: Description
) -> tuple[list[ExportFormat], list[str]]:
    """Return the formats to write, and why others are left out.

    Args:
        names: What was asked for; ``None`` for everything that is possible here.
        graph: The detector.
        description: Of the detector.

    Raises:
        OptionError: A format that was asked for is unknown, not installed, or cannot
            hold the detector.
    """
    chosen, reasons = [], []
    for name in dict.fromkeys(names or FORMATS):
        if name not in FORMATS:
            raise OptionError(
                f"--formats {name} is unknown: choose among {', '.join(FORMATS)}."
            )
        candidate = FORMATS[name]
        obstacle = candidate.obstacle(graph, description)
        if obstacle is None and not candidate.is_installed:
            obstacle = (
                f"needs libraries that are not installed: install this package with "
                f"its extra [{candidate.extra}]"
            )
        if obstacle is None:
            chosen.append(candidate)
        elif names:
            raise OptionError(f"{name} {obstacle}.")
        else:
            reasons.append(f"{name} {obstacle}")
    if not chosen:
        raise OptionError(f"No format can be written here: {'; '.join(reasons)}.")
    return chosen, reasons
