"""The files that a detector is exported to for other runtimes, in float and in INT8."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..benchmarking.eager import EagerDetector
from ..benchmarking.measuring import failure_note
from ..benchmarking.settings import END_TO_END
from ..configuration.console import tell
from ..export.description import describe
from ..export.exported_detector import ExportedDetector
from ..export.exported_models import open_exported
from ..export.formats.base import ExportJob
from ..export.formats.onnx.format import OnnxFormat
from ..export.formats.openvino import openvino_from_onnx
from ..export.graph.detection_graph import DetectionGraph
from ..quantization.output_error import output_error
from ..quantization.runtimes.registry import QUANTIZERS, check_runtimes
from .proposals import FILE_SCOPES, KEEPS, RUNTIMES, Proposal

COMPARED_PICTURES = 4
# By suffix of the file.
FORMATS = {"onnx": "onnx", "xml": "openvino"}
QUANTIZED_FOR = {"onnx": "onnxruntime", "xml": "openvino"}


def export_all(
    detector: EagerDetector, folder: Path, notes: list[str]
) -> dict[str, Path]:
    """Write the formats that can be written here, without NMS.

    Args:
        detector: The detector; it stays as it is.
        folder: For the files.
        notes: Grows by a sentence for each format that cannot be written.

    Returns:
        Files by suffix.
    """
    onnx, xml = folder / "model.onnx", folder / "model.xml"
    files: dict[str, Path] = {}
    if _is_written("onnx", lambda: _export_onnx(detector, onnx), notes):
        files["onnx"] = onnx
        if _is_written("xml", lambda: openvino_from_onnx(onnx, xml), notes):
            files["xml"] = xml
    return files


def runtime_proposals(files: dict[str, Path]) -> list[Proposal]:
    """Propose to run the files instead of PyTorch."""
    return [
        Proposal(
            f"run in {RUNTIMES[suffix]}",
            END_TO_END,
            KEEPS,
            runtime=suffix,
            accuracy="unchanged; the deploy card proves it",
            command=f"ghostnet export CONFIG CHECKPOINT --formats {FORMATS[suffix]}",
        )
        for suffix in files
    ]


def int8_proposals(
    exact: ExportedDetector,
    pictures: Sequence[np.ndarray],
    files: dict[str, Path],
    notes: list[str],
) -> list[Proposal]:
    """Quantize the files as the plain step of ``ghostnet quantize`` does.

    Args:
        exact: The file in ONNX, open.
        pictures: To calibrate with, (H, W, 3) uint8 BGR.
        files: By suffix; grows by those in INT8, such as ``int8.onnx``.
        notes: Grows by a sentence for each that cannot be written.
    """
    if exact.model.description.input.image_sizes:
        notes.append("INT8: not tried, for detectors of two stages are not quantized.")
        return []
    images = [exact.network_input(picture) for picture in pictures]
    expected = [exact.model.run(image) for image in images[:COMPARED_PICTURES]]
    proposals = []
    for suffix in list(files):
        runtime, target = QUANTIZED_FOR[suffix], f"int8.{suffix}"
        path = files[suffix].with_name(target)

        def write(runtime: str = runtime, path: Path = path) -> None:
            check_runtimes([runtime])
            # All are made of the file in ONNX.
            quantizer = QUANTIZERS[runtime](exact.model.path, images)
            quantizer.write_plain(path, quantizer.plain_steps[-1], quantizer.methods[0])

        if _is_written(suffix, write, notes, "INT8 in "):
            files[target] = path
            found = open_exported(path)
            actual = [found.run(image) for image in images[:COMPARED_PICTURES]]
            error = output_error(expected, actual).total
            proposals.append(
                Proposal(
                    "INT8",
                    FILE_SCOPES[suffix],
                    KEEPS,
                    runtime=target,
                    accuracy=f"to be measured with ghostnet quantize (output error "
                    f"{error:.4f} on {len(actual)} pictures)",
                    command=f"ghostnet quantize CONFIG CHECKPOINT --runtimes {runtime}",
                )
            )
    return proposals


def _export_onnx(detector: EagerDetector, path: Path) -> None:
    model, graph = detector.model, DetectionGraph(detector.model)
    head = getattr(model, "bbox_head", None) or model.roi_head.bbox_head
    names = [str(label) for label in range(head.num_classes)]
    description = describe(detector.cfg, graph, names)
    if description.input.size is None:
        # CenterNet leaves pictures as large as they are.
        description = describe(detector.cfg, graph, names, size=detector.size)
    OnnxFormat().write(ExportJob(graph, description, path))


def _is_written(
    suffix: str, write: Callable[[], object], notes: list[str], what: str = ""
) -> bool:
    """Write a file, or note why it cannot be written."""
    name = f"{what}{RUNTIMES[suffix]}"
    tell(f"writing a file for {name}")
    try:
        write()
    except Exception as error:
        # Exporters and quantizers raise anything; what was measured before counts.
        notes.append(failure_note(name, error))
        return False
    return True
