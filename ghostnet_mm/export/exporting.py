"""From a trained detector to files with a deploy card."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ghostnet_runtime.atomic_writing import finished_folder

from ..configuration.console import tell
from ..engine.inference.detection import Detector
from ..errors import OptionError
from ..fusion.concat_free import concat_free
from ..measuring.latency import torch_threads
from .card.card_page import card_page
from .card.deploy_card import DeployCard
from .card.measured_exports import WrittenExport, measured_card
from .card.mmdet_reference import resized_detector
from .concat_free_choice import choose_concat_free
from .description import describe
from .export_request import ExportRequest
from .formats.onnx.postprocessing import needs_picture_sizes
from .formats.registry import ExportFormat, chosen_formats
from .graph.detection_graph import DetectionGraph
from .graph.resizing import shrunk_pictures

CARD_JSON, CARD_PAGE = "deploy_card.json", "deploy_card.html"


def export_detector(
    detector: Detector, out_dir: str | os.PathLike, name: str, request: ExportRequest
) -> DeployCard:
    """Export a detector, measure every file, and write the deploy card.

    Everything appears in ``out_dir`` at the end; an error leaves nothing behind.
    Tolerances that were not kept are in the card's ``failures``, and the files are
    there for a look.

    Args:
        detector: The detector; it stays as it is.
        out_dir: The folder.
        name: Of the files.
        request: What to export and how to prove it.

    Raises:
        UserError: The detector, a format or an option is impossible.
    """
    graph = DetectionGraph(detector)
    detector = resized_detector(detector, request.size)
    description = describe(
        detector.model.cfg, graph, detector.class_names, size=request.size, name=name
    )
    formats = _formats(graph, description, request)
    with finished_folder(out_dir) as folder, torch_threads(request.threads):
        written = _write(detector, graph, description, formats, folder, request)
        card, photos = measured_card(written, request)
        card.write_json(folder / CARD_JSON)
        (folder / CARD_PAGE).write_text(card_page(card, photos), encoding="utf-8")
    return card


def _formats(
    graph: DetectionGraph, description: Mapping[str, Any], request: ExportRequest
) -> Sequence[ExportFormat]:
    """Choose the formats, and tell what is left out or lost."""
    any_size = description["input"]["height"] is None
    formats, left_out = chosen_formats(
        request.formats,
        two_stages=graph.takes_image_sizes,
        masks=description["task"] == "instance_segmentation",
        any_size=any_size,
        picture_sizes=needs_picture_sizes(description),
    )
    dynamic_size = request.onnx_options.get("dynamic_size", False)
    if any_size and not dynamic_size:
        raise OptionError(
            "This config leaves pictures as large as they are: give --dynamic-size, "
            "which ONNX and OpenVINO files can have."
        )
    for reason in left_out.values():
        tell(f"left out: {reason}")
    if not dynamic_size or not all(one.takes_options for one in formats):
        _tell_what_is_shrunk(description)
    return formats


def _tell_what_is_shrunk(description: Mapping[str, Any]) -> None:
    shrunk = shrunk_pictures(description)
    if not shrunk:
        return
    height, width = description["input"]["height"], description["input"]["width"]
    side = max(height, width)
    tell(
        f"The input of {height}x{width} makes {' and '.join(shrunk)} pictures smaller "
        f"than mmdet does: to keep them large, give --dynamic-size with --formats onnx "
        f"openvino, or --size {side} {side}."
    )


def _write(
    detector: Detector,
    graph: DetectionGraph,
    description: Mapping[str, Any],
    formats: Sequence[ExportFormat],
    folder: Path,
    request: ExportRequest,
) -> WrittenExport:
    example = _example(description)
    choice = choose_concat_free(
        graph,
        example,
        request.concat_free,
        [one.name for one in formats],
        request.rounds,
        request.threads,
    )
    rewritten = choice.rewritten if choice is not None else ()
    source = concat_free(graph, rewritten) if rewritten else graph
    paths = {}
    for one in formats:
        tell(f"writing {one.name}")
        paths[one.name] = folder / f"{description['name']}{one.suffix}"
        one.write(source, description, paths[one.name], example, request.onnx_options)
    by_name = {one.name: one for one in formats}
    return WrittenExport(detector, graph, source, description, by_name, paths, choice)


def _example(description: Mapping[str, Any]) -> torch.Tensor:
    entry = description["input"]
    step = entry["size_divisor"]
    generator = torch.Generator().manual_seed(0)
    return torch.randn(
        1,
        3,
        entry["height"] or 10 * step,
        entry["width"] or 10 * step,
        generator=generator,
    )
