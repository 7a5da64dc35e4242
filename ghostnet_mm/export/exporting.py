"""From a trained detector to files with a deploy card."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ghostnet_runtime.atomic_writing import finished_folder
from ghostnet_runtime.description import Description

from ..configuration.command_line import RunInterrupted
from ..configuration.console import tell
from ..engine.inference.detection import TrainedDetector
from ..errors import OptionError
from ..fusion.concat_free import concat_free
from ..measuring.latency import torch_threads
from .card.card_page import card_page
from .card.deploy_card import DeployCard
from .card.export_request import ExportRequest
from .card.measured_exports import WrittenExport, measured_card
from .card.mmdet_reference import resized_detector
from .concat_free_choice import choose_concat_free
from .description import describe
from .formats.base import ExportFormat, ExportJob, ExportOptions
from .formats.registry import chosen_formats
from .graph.detection_graph import DetectionGraph
from .graph.resizing import shrunk_pictures
from .graph.static_graph import example_image

CARD_JSON, CARD_PAGE = "deploy_card.json", "deploy_card.html"


def export_detector(
    detector: TrainedDetector,
    out_dir: str | os.PathLike[str],
    name: str,
    request: ExportRequest,
) -> DeployCard:
    """Export a detector, measure every file, and write the deploy card.

    Everything appears in ``out_dir`` at the end; an error leaves nothing behind. Files
    that are written when measuring is interrupted are kept, without a card.
    Tolerances that were not kept are in the card's ``failures``, and the files are
    there for a look.

    Args:
        detector: The detector; it stays as it is.
        out_dir: The folder.
        name: Of the files.
        request: What to export and how to prove it.

    Raises:
        UserError: The detector, a format or an option is impossible.
        KeyboardInterrupt: After the files written until then were put in ``out_dir``.
    """
    graph = DetectionGraph(detector)
    detector = resized_detector(detector, request.size)
    description = describe(
        detector.model.cfg, graph, detector.class_names, size=request.size, name=name
    )
    formats = _formats(graph, description, request)
    with finished_folder(out_dir) as folder, torch_threads(request.threads):
        written = _write(detector, graph, description, formats, folder, request)
        card = _write_card(written, folder, request)
        kept = ", ".join(sorted(path.name for path in folder.iterdir()))
    if card is None:
        tell(
            f"\ninterrupted: {kept} in {out_dir} are whole, but not measured; "
            f"{CARD_JSON} and {CARD_PAGE} are missing, or of an earlier export: repeat "
            f"the command for them"
        )
        raise RunInterrupted
    return card


def _write_card(
    written: WrittenExport, folder: Path, request: ExportRequest
) -> DeployCard | None:
    """Measure the files and write card and page; None where it was interrupted."""
    try:
        card, photos = measured_card(written, request)
        page = card_page(card, photos)
    except KeyboardInterrupt:
        return None
    card.write_json(folder / CARD_JSON)
    (folder / CARD_PAGE).write_text(page, encoding="utf-8")
    return card


def _formats(
    graph: DetectionGraph, description: Description, request: ExportRequest
) -> Sequence[ExportFormat]:
    """Choose the formats, and tell what is left out or lost."""
    formats, left_out = chosen_formats(request.formats, graph, description)
    dynamic_size = request.options.dynamic_size
    if description.input.size is None and not dynamic_size:
        raise OptionError(
            "This config leaves pictures as large as they are: give --dynamic-size, "
            "which ONNX and OpenVINO files can have."
        )
    for reason in left_out:
        tell(f"left out: {reason}")
    if not dynamic_size or not all(each.takes_options for each in formats):
        _tell_what_is_shrunk(description)
    return formats


def _tell_what_is_shrunk(description: Description) -> None:
    shrunk, size = shrunk_pictures(description), description.input.size
    if not shrunk or size is None:
        return
    height, width = size
    side = max(size)
    tell(
        f"The input of {height}x{width} makes {' and '.join(shrunk)} pictures smaller "
        f"than mmdet does: to keep them large, give --dynamic-size with --formats onnx "
        f"openvino, or --size {side} {side}."
    )


def _write(
    detector: TrainedDetector,
    graph: DetectionGraph,
    description: Description,
    formats: Sequence[ExportFormat],
    folder: Path,
    request: ExportRequest,
) -> WrittenExport:
    choice = choose_concat_free(
        graph,
        example_image(description.input),
        request.concat_free,
        [each.name for each in formats],
        request.rounds,
        request.threads,
    )
    rewritten = choice.rewritten if choice is not None else ()
    source = concat_free(graph, rewritten) if rewritten else graph
    paths = {}
    for each in formats:
        tell(f"writing {each.name}")
        path = paths[each.name] = folder / f"{description.name}{each.suffix}"
        # The others hold one size, and no preprocessing.
        options = request.options if each.takes_options else ExportOptions()
        each.write(ExportJob(source, description, path, options))
    by_name = {each.name: each for each in formats}
    return WrittenExport(detector, graph, source, description, by_name, paths, choice)
