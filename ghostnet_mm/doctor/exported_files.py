"""The files that a detector is exported to for other runtimes."""

from pathlib import Path

from torch import nn

from ..benchmarking.eager import EagerDetector
from ..errors import UserError

RUNTIMES = {"onnx": "ONNX Runtime", "xml": "OpenVINO"}


def export_all(
    detector: EagerDetector, folder: Path, notes: list[str]
) -> dict[str, Path]:
    """Write the formats that can be written here.

    Args:
        detector: The detector; it stays as it is.
        folder: For the files.
        notes: Grows by a sentence for each format that cannot be written.

    Returns:
        Files by suffix.
    """
    files: dict[str, Path] = {}
    try:
        path = export_onnx_file(detector.model, detector, folder / "model.onnx")
        files["onnx"] = path
    except UserError as error:
        notes.append(f"ONNX Runtime: not tried. {error}")
        return files
    try:
        from ..export.formats.openvino import openvino_from_onnx

        openvino_from_onnx(files["onnx"], folder / "model.xml")
        files["xml"] = folder / "model.xml"
    except UserError as error:
        notes.append(f"OpenVINO: not tried. {error}")
    return files


def export_onnx_file(model: nn.Module, detector: EagerDetector, path: Path) -> Path:
    """Write a detector as ONNX, without NMS.

    Args:
        model: The detector; it stays as it is.
        detector: Whose config and size it has.
        path: The file.

    Returns:
        ``path``.

    Raises:
        UserError: It cannot be exported, or a package is missing.
    """
    from ..export.description import describe
    from ..export.formats.base import ExportJob
    from ..export.formats.onnx.format import OnnxFormat
    from ..export.graph.detection_graph import DetectionGraph

    graph = DetectionGraph(model)
    names = [str(one) for one in range(_class_count(model))]
    description = describe(detector.cfg, graph, names)
    if description.input.size is None:
        # CenterNet leaves pictures as large as they are.
        description = describe(detector.cfg, graph, names, size=detector.size)
    OnnxFormat().write(ExportJob(graph, description, path))
    return path


def _class_count(model: nn.Module) -> int:
    head = getattr(model, "bbox_head", None) or model.roi_head.bbox_head
    return head.num_classes
