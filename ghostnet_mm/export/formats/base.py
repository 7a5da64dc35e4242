"""What all formats of exported files share."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ghostnet_runtime.description import Description

from ...errors import OptionError
from ..graph.exportable_graph import ExportableGraph
from ..graph.static_graph import StaticGraph
from ..model_files import finished_model, write_description
from .libraries import import_library


@dataclass(frozen=True)
class ExportOptions:
    """What only formats with `ExportFormat.takes_options` can do.

    Attributes:
        dynamic_batch: The file takes any number of images at once.
        dynamic_size: It takes inputs of any height and width that the stride divides.
        preprocess: It takes pictures as they are, uint8, and resizes and normalizes
            them.
    """

    dynamic_batch: bool = False
    dynamic_size: bool = False
    preprocess: bool = False


@dataclass(frozen=True)
class ExportJob:
    """One file to write.

    Attributes:
        graph: What it is to compute; it stays as it is.
        description: Of ``description.describe``; its input size is that of the file.
        path: The file.
        options: What else it is to do.
    """

    graph: ExportableGraph
    description: Description
    path: Path
    options: ExportOptions = ExportOptions()


class ExportFormat(ABC):
    """A kind of file.

    Attributes:
        name: On the command line and in the deploy card.
        suffix: Of the file's name.
        modules: Modules that must be installed to write and run it.
        extra: The extra of ``ghostnet_mm`` that brings them.
        takes_two_stages: Whether it can hold two-stage detectors.
        takes_options: Whether axes can be free, and preprocessing in the graph.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    modules: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    takes_two_stages: ClassVar[bool] = True
    takes_options: ClassVar[bool] = False

    @property
    def is_installed(self) -> bool:
        """Whether everything that writes and runs it is there."""
        return all(importlib.util.find_spec(module) for module in self.modules)

    def obstacle(self, graph: ExportableGraph, description: Description) -> str | None:
        """Say why it cannot hold a detector, as what follows its name; else None."""
        if graph.takes_image_sizes and not self.takes_two_stages:
            return "cannot hold two-stage detectors"
        return None

    def write(self, job: ExportJob) -> None:
        """Write a file, with its description inside or beside it.

        Raises:
            OptionError: A library is not installed, the path has another suffix or
                cannot be written, or the format cannot hold the detector so.
        """
        obstacle = self.obstacle(job.graph, job.description)
        if job.options != ExportOptions() and not self.takes_options:
            obstacle = "has no dynamic axes and no preprocessing"
        if obstacle is not None:
            raise OptionError(f"{self.name} {obstacle}.")
        for module in self.modules:
            import_library(module, self.extra)
        with finished_model(job.path, self.suffix) as scratch:
            self.save(job, scratch)

    @abstractmethod
    def save(self, job: ExportJob, path: Path) -> None:
        """Write what the job asks for to ``path`` in place of the job's own."""


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
