"""ONNX: one file of standard operators, with its description inside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ghostnet_runtime.description import Description
from ghostnet_runtime.description_text import METADATA_KEY

from ....errors import OptionError
from ...description import with_dynamic_axes
from ...graph.exportable_graph import ExportableGraph
from ..base import ExportFormat, ExportJob
from .model import onnx_model
from .postprocessing import append_selection, needs_picture_sizes
from .preprocessing import prepend_preprocessing

if TYPE_CHECKING:
    import onnx


class OnnxFormat(ExportFormat):
    """ONNX with the raw candidates as outputs."""

    name = "onnx"
    suffix = ".onnx"
    modules: ClassVar[tuple[str, ...]] = ("onnx", "onnxscript", "onnxruntime")
    extra = "onnx"
    takes_options = True

    def save(self, job: ExportJob, path: Path) -> None:
        """Write what the job asks for to ``path`` in place of the job's own.

        Raises:
            OptionError: The detector does not take inputs of any size.
        """
        options = job.options
        if options.dynamic_size and not job.graph.any_size:
            raise OptionError(
                "SSD's anchors are made for one input size: export it without "
                "--dynamic-size."
            )
        description = with_dynamic_axes(
            job.description, batch=options.dynamic_batch, size=options.dynamic_size
        )
        model = onnx_model(job.graph, description)
        model, description = self.selected(model, description)
        if options.preprocess:
            model, description = prepend_preprocessing(model, description)
        save_onnx(model, description, path)

    def selected(
        self, model: onnx.ModelProto, description: Description
    ) -> tuple[onnx.ModelProto, Description]:
        """Return the model with what follows the candidates, here nothing."""
        return model, description


class OnnxNmsFormat(OnnxFormat):
    """ONNX with NMS in the graph: outputs are detections and labels."""

    name = "onnx-nms"
    suffix = ".nms.onnx"

    def obstacle(self, graph: ExportableGraph, description: Description) -> str | None:
        """Say why it cannot hold a detector, as what follows its name; else None."""
        if description.masks is not None:
            return "cannot hold masks"
        if needs_picture_sizes(description):
            return (
                "does not know how large boxes are in the picture, which "
                "test_cfg.min_bbox_size asks for: set it to 0"
            )
        return super().obstacle(graph, description)

    def selected(
        self, model: onnx.ModelProto, description: Description
    ) -> tuple[onnx.ModelProto, Description]:
        """Return the model with selection and NMS."""
        return append_selection(model, description)


def save_onnx(model: onnx.ModelProto, description: Description, path: Path) -> None:
    """Check a model and write it with its description."""
    import onnx

    domains = {node.domain for node in model.graph.node} | {
        function.domain for function in model.functions
    }
    if domains - {"", "ai.onnx"}:
        raise RuntimeError(f"operators outside of the standard: {sorted(domains)}")
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=description.to_json())
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)
