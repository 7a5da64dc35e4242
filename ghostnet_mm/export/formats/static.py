"""What formats of one input size share: the raw candidates, and nothing else."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from ghostnet_runtime.description import Description

from ..graph.exportable_graph import ExportableGraph
from ..graph.static_graph import StaticGraph
from ..model_files import write_description
from .base import ExportFormat, ExportJob


class StaticFormat(ExportFormat):
    """A format of one size and a batch of 1, with the description beside the file."""

    def obstacle(self, graph: ExportableGraph, description: Description) -> str | None:
        """Say why it cannot hold a detector, as what follows its name; else None."""
        fed = description.input
        if fed.size is None or fed.batch is None:
            return (
                "needs a fixed size, and this config leaves pictures as large as they "
                "are"
            )
        if description.outputs.form == "detections" or fed.form == "pixels":
            return "cannot hold NMS or preprocessing in the graph"
        return super().obstacle(graph, description)

    def save(self, job: ExportJob, path: Path) -> None:
        """Write what the job asks for to ``path`` in place of the job's own."""
        self.convert(StaticGraph(job.graph, job.description), path)
        write_description(job.description, path)

    @abstractmethod
    def convert(self, static: StaticGraph, path: Path) -> None:
        """Write a graph to ``path``; its inputs and outputs have the graph's names."""
