"""What ``ghostnet export`` does with a trained detector, for Python too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypedDict

import numpy as np
from ghostnet_runtime.picture_sources import open_source

from ..configuration.data.checks import check_data
from ..configuration.data.clean_data import use_clean_data
from ..engine.inference.detection import TrainedDetector
from ..errors import ExportError
from .card.accuracy import labelled_pictures
from .card.deploy_card import DeployCard, Tolerances
from .card.export_request import ExportRequest
from .exporting import CARD_PAGE, export_detector
from .formats.base import ExportOptions


class ExportFlags(TypedDict, total=False):
    """Of `export_trained`, where they are described, those that are seldom given."""

    num_images: int
    no_map: bool
    limit: int | None
    dynamic_batch: bool
    dynamic_size: bool
    preprocess: bool
    concat_free: str
    latency_rounds: int
    threads: int | None
    box_tolerance: float
    score_tolerance: float


@dataclass(frozen=True)
class ExportedFiles:
    """The files of an export.

    Attributes:
        folder: Where they are.
        paths: Each file by the name of its format.
        card: What was measured.
        card_page: The card as a page to look at.
    """

    folder: Path
    paths: Mapping[str, Path]
    card: DeployCard
    card_page: Path

    def check(self) -> None:
        """Make sure that every file computes what the detector does.

        Raises:
            ExportError: One does not, by the tolerances asked for.
        """
        failures = self.card.failures
        if failures:
            raise ExportError(
                f"{len(failures)} tolerances were not kept: {'; '.join(failures)}; see "
                f"{CARD_PAGE}."
            )


def export_trained(
    detector: TrainedDetector,
    out: str | os.PathLike[str],
    name: str,
    *,
    use_labels: bool,
    formats: Sequence[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    num_images: int = 10,
    no_map: bool = False,
    limit: int | None = None,
    size: Sequence[int] | None = None,
    dynamic_batch: bool = False,
    dynamic_size: bool = False,
    preprocess: bool = False,
    concat_free: str = "none",
    latency_rounds: int = 50,
    threads: int | None = None,
    box_tolerance: float = 0.1,
    score_tolerance: float = 1e-3,
) -> ExportedFiles:
    """Export a detector and prove the files on real pictures.

    Args:
        detector: The detector, on the CPU.
        out: Output folder.
        name: Of the files.
        use_labels: Whether to take pictures and labels of the config's validation
            split.
        formats: What to write; by default all whose libraries are installed.
        images: Other real pictures to compare on.
        num_images: How many are compared on.
        no_map: No COCO scores, differences only.
        limit: Score the first so many pictures only.
        size: Height and width of the network's input; the default is the config's.
        dynamic_batch: ONNX and OpenVINO: any batch.
        dynamic_size: ONNX and OpenVINO: any size.
        preprocess: ONNX and OpenVINO: the graph resizes and normalizes.
        concat_free: ``none``, ``measured`` or ``all``: Ghost blocks without their
            widest concatenation.
        latency_rounds: Timed rounds; 0 for none.
        threads: Of every runtime.
        box_tolerance: In pixels.
        score_tolerance: Of probabilities.

    Returns:
        The files; what is wrong with them, if anything, `ExportedFiles.check` raises.

    Raises:
        UserError: The detector, a format, the data or an option is impossible.
    """
    labelled = None
    pictures: Iterable[np.ndarray] = []  # of one of the two, at the least
    if use_labels:
        use_clean_data(detector.model.cfg, ("val",))
        check_data(detector.model.cfg, ("val",))
        labelled = labelled_pictures(detector.model.cfg, limit)
        pictures = labelled.read()
    if images is not None:
        pictures = (picture.pixels for picture in open_source(os.fspath(images)))
    card = export_detector(
        detector,
        out,
        name,
        ExportRequest(
            formats=formats,
            pictures=list(islice(pictures, num_images)),
            labelled=None if no_map else labelled,
            size=None if size is None else (size[0], size[1]),
            options=ExportOptions(
                dynamic_batch=dynamic_batch,
                dynamic_size=dynamic_size,
                preprocess=preprocess,
            ),
            concat_free=concat_free,
            rounds=latency_rounds,
            threads=threads,
            tolerances=Tolerances(box_tolerance, score_tolerance),
        ),
    )
    folder = Path(out)
    paths = {each.name: folder / each.file for each in card.formats}
    return ExportedFiles(folder, paths, card, folder / CARD_PAGE)
