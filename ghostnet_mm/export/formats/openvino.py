"""OpenVINO IR, made of the ONNX file: all its forms, names and values carry over."""

from __future__ import annotations

import os
from pathlib import Path

from ghostnet_runtime.description_text import METADATA_KEY

from ..model_files import finished_model
from .base import ExportJob
from .libraries import import_library
from .onnx.format import OnnxFormat


class OpenVinoFormat(OnnxFormat):
    """OpenVINO IR in float32, by way of ONNX; the weights go into ``.bin``."""

    name = "openvino"
    suffix = ".xml"
    modules = (*OnnxFormat.modules, "openvino")
    extra = "openvino"

    def save(self, job: ExportJob, path: Path) -> None:
        """Write what the job asks for to ``path`` in place of the job's own."""
        onnx_path = path.with_suffix(".onnx")
        super().save(job, onnx_path)
        openvino_from_onnx(onnx_path, path)
        onnx_path.unlink()


def openvino_from_onnx(
    onnx_path: str | os.PathLike[str], path: str | os.PathLike[str]
) -> Path:
    """Convert an exported ONNX file, of any form, to OpenVINO IR.

    The description moves from the file's metadata to ``rt_info``.

    Args:
        onnx_path: The ONNX file.
        path: An ``.xml`` file; the weights go beside it, into a ``.bin`` file.

    Returns:
        ``path``.

    Raises:
        OptionError: OpenVINO or ONNX is not installed, or the path is not possible.
    """
    openvino = import_library("openvino", "openvino")
    onnx = import_library("onnx", "onnx")
    metadata = onnx.load(str(onnx_path), load_external_data=False).metadata_props
    model = openvino.convert_model(str(onnx_path))
    for node in model.get_ops():
        # The importer forgets that equal scores come in the order of their places.
        if node.get_type_name() == "TopK":
            node.set_attribute("stable", True)
    for entry in metadata:
        if entry.key == METADATA_KEY:
            model.set_rt_info(entry.value, [METADATA_KEY])
    with finished_model(path, ".xml") as scratch:
        openvino.save_model(model, str(scratch), compress_to_fp16=False)
    return Path(path)
