"""mmdet's predictions in the one shape of everything that is drawn or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from ghostnet_runtime import Detections
from ghostnet_runtime.seen_pictures import picture_of

from .panoptic_drawing import draw_panoptic
from .panoptic_map import find_segments

if TYPE_CHECKING:
    from mmdet.structures import DetDataSample


@dataclass(frozen=True, eq=False)
class PanopticMap:
    """The segments of one picture.

    Attributes:
        ids: (H, W) int, mmdet's panoptic map, see `panoptic_map`.
        names: Of all classes, by label.
        source: The picture: its path, or the number of a film's frame.
        pixels: The picture, (H, W, 3) uint8 BGR, where it is not in a file.
    """

    ids: np.ndarray
    names: tuple[str, ...]
    source: str | int | None = None
    pixels: np.ndarray | None = None

    def seen_in(
        self, source: str | int | None, pixels: np.ndarray | None
    ) -> PanopticMap:
        """Return the same map with its picture; see Attributes."""
        return replace(self, source=source, pixels=pixels)

    def above(self, score: float) -> PanopticMap:
        """Return the map as it is: segments have no score."""
        return self

    def plot(
        self, picture: np.ndarray | None = None, with_scores: bool = True
    ) -> np.ndarray:
        """Draw the segments on a copy of their picture, (H, W, 3) uint8 BGR.

        Args:
            picture: By default the one that the map was found in.
            with_scores: Has no effect: segments have no score.

        Raises:
            OptionError: It is not known which picture that is.
            DataError: Its file can no longer be read.
        """
        if picture is None:
            picture = picture_of(self.source, self.pixels)
        return draw_panoptic(picture, self.ids, self.names)

    def to_json(self) -> dict[str, list[dict[str, object]]]:
        """Return the segments as in ``detections.json``.

        Returns:
            ``segments``, largest first, each with ``id``, ``class``, ``label``,
            ``is_thing`` and ``area`` in pixels.
        """
        segments: list[dict[str, object]] = [
            {
                "id": segment.id,
                "class": self.names[segment.label],
                "label": segment.label,
                "is_thing": segment.is_thing,
                "area": segment.area,
            }
            for segment in find_segments(self.ids, len(self.names))
        ]
        return {"segments": segments}


def found_in(sample: DetDataSample, names: Sequence[str]) -> Detections | PanopticMap:
    """Take the predictions out of mmdet's sample, objects with the best score first.

    Args:
        sample: What mmdet's detector returned.
        names: Of all classes, by label.

    Raises:
        DataError: A prediction is no number.
    """
    if "pred_panoptic_seg" in sample:
        ids = sample.pred_panoptic_seg.sem_seg[0].cpu().numpy()
        return PanopticMap(ids, tuple(names))
    found = sample.pred_instances.cpu().numpy()
    order = np.argsort(-found.scores, kind="stable")
    boxes, masks = found.bboxes[order], None
    if "masks" in found:
        masks = found.masks[order]
        if "ori_shape" in sample:
            masks = _of_shape(masks, sample.ori_shape)
        # SOLO and its kind predict no boxes; mmdet fills in zeros.
        if not boxes.any():
            boxes = boxes_of_masks(masks)
    return Detections(
        boxes, found.scores[order], found.labels[order], tuple(names), masks
    )


def _of_shape(masks: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return masks (N, H, W) cut or filled to the height and width of the picture.

    mmdet's heads scale masks back by a rounded factor and may miss the last row.
    """
    height, width = shape[:2]
    if masks.shape[1:] == (height, width):
        return masks
    fitted = np.zeros((len(masks), height, width), masks.dtype)
    cut = masks[:, :height, :width]
    fitted[:, : cut.shape[1], : cut.shape[2]] = cut
    return fitted


def boxes_of_masks(masks: np.ndarray) -> np.ndarray:
    """Return the tight boxes (N, 4) of masks (N, H, W); an empty mask has zeros."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows = np.flatnonzero(mask.any(axis=1))
        columns = np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
