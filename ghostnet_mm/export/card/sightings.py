"""What detectors see in the same photos: drawn, and what differs first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from ghostnet_runtime import Detections

from ...reporting.pages import Line, Section
from ...reporting.pictures import picture_address
from .agreement import (
    SCORE_THRESHOLD,
    DetectionAgreement,
    detection_agreement,
    pair_up,
)
from .deploy_card import Tolerances

# Photos that are drawn, and those of them that a page shows.
MOST_DRAWN, MOST_SHOWN = 12, 4
# Where a detector is sure of nothing, its best few are drawn.
SURE, FEWEST, ENOUGH = 0.3, 3, 6
SIDE = 512
RED = (0, 0, 255)


@dataclass(frozen=True)
class Sighting:
    """What one detector found in all photos.

    Attributes:
        found: By photo, without masks.
        drawn: ``data:`` addresses of the first photos with what was found.
    """

    found: tuple[Detections, ...]
    drawn: tuple[str, ...]


def look(
    detect: Callable[[np.ndarray], Detections],
    photos: Sequence[np.ndarray],
    reference: Sighting | None = None,
) -> Sighting:
    """Let a detector look at photos, (H, W, 3) uint8 BGR.

    Args:
        detect: The detector.
        photos: The photos.
        reference: What the detector found that it is compared with: what one of them
            has alone is drawn in red.
    """
    found: list[Detections] = []
    drawn: list[str] = []
    for index, photo in enumerate(photos):
        seen = detect(photo)
        # A hundred masks of every photo would not fit into memory.
        found.append(replace(seen, masks=None))
        if index < MOST_DRAWN:
            expected = found[-1] if reference is None else reference.found[index]
            drawn.append(picture_address(_drawing(photo, seen, expected)))
    return Sighting(tuple(found), tuple(drawn))


def photo_sections(
    references: Mapping[str, Sighting],
    files: Mapping[str, tuple[str, Sighting]],
    tolerances: Tolerances,
) -> list[Section]:
    """Return sections of the photos to show, those that differ most first.

    Args:
        references: What mmdet found, by how it was fed.
        files: Per file the name of its reference, and what it found.
        tolerances: A file that keeps them sees the same.
    """
    count = min(len(sighting.drawn) for sighting in references.values())
    agreements = [
        {
            name: detection_agreement(
                [references[fed].found[index]], [sighting.found[index]]
            )
            for name, (fed, sighting) in files.items()
        }
        for index in range(count)
    ]

    def interest(index: int) -> tuple[int, ...]:
        found = agreements[index].values()
        sure = [len(each.found[index].above(SURE)) for each in references.values()]
        differing = sum(not _is_same(each, tolerances) for each in found)
        return differing, sum(each.unmatched for each in found), min(*sure, ENOUGH)

    alike: list[tuple[str, str]] = []
    sections: list[Section] = []
    for index in sorted(range(count), key=interest, reverse=True)[:MOST_SHOWN]:
        differing = {
            name: each
            for name, each in agreements[index].items()
            if not _is_same(each, tolerances)
        }
        same = {fed: [fed] for fed in references}
        for name, (fed, _) in files.items():
            same[fed] += [name] if name not in differing else []
        pictures = [
            (f"Photo {index + 1}: {', '.join(names)}", references[fed].drawn[index])
            for fed, names in same.items()
        ]
        if not differing:
            alike += pictures
            continue
        pictures += [
            (f"{name}: {_told(each)}", files[name][1].drawn[index])
            for name, each in differing.items()
        ]
        line = Line(f"Not as in mmdet: {', '.join(differing)}.", "bad")
        title = f"Photo {index + 1}"
        sections.append(Section(title, (line,), pictures=tuple(pictures)))
    if alike:
        title = "Photos on which all formats find what mmdet finds"
        sections.append(Section(title, pictures=tuple(alike)))
    intro = (
        "Drawn is what has a score above 0.3, or the best three; red is what a format "
        "or mmdet has alone."
    )
    return [Section("What the formats find", (intro,)), *sections]


def _is_same(found: DetectionAgreement, tolerances: Tolerances) -> bool:
    return (
        not found.unmatched
        and found.box.largest <= tolerances.box
        and found.score.largest <= tolerances.score
    )


def _told(found: DetectionAgreement) -> str:
    return (
        f"{found.unmatched} found by one alone, {found.pairs} by both, whose boxes "
        f"differ by up to {found.box.largest:.2g} px and scores by "
        f"{found.score.largest:.2g}"
    )


def _drawing(photo: np.ndarray, seen: Detections, expected: Detections) -> np.ndarray:
    """Draw on a photo of a size at which names can be read."""
    best = np.sort(expected.scores)[::-1][FEWEST - 1 : FEWEST]
    shown = seen.above(max(SCORE_THRESHOLD, min([SURE, *best])))
    scale = SIDE / max(photo.shape[:2])
    large = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = large.shape[:2]
    masks = None
    if shown.masks is not None:
        masks = np.zeros((len(shown), height, width), bool)
        for mask, small in zip(masks, shown.masks, strict=True):
            mask[:] = cv2.resize(small.astype(np.uint8), (width, height))
    canvas = replace(shown, boxes=shown.boxes * scale, masks=masks).plot(large)
    pairing = pair_up(expected, seen)
    alone = [*expected.boxes[pairing.missing], *seen.boxes[pairing.surplus]]
    for box in np.clip(scale * np.array(alone), -1e4, 1e4).round().astype(int):
        cv2.rectangle(canvas, box[:2].tolist(), box[2:].tolist(), RED, 4)
    return canvas
