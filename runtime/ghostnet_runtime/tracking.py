"""Ids for the objects of a film, by ByteTrack.

ByteTrack (Zhang et al., ECCV 2022) is that of the library ``trackers`` (Apache-2.0),
which brings ``supervision`` (MIT), SciPy and PyAV.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .detected_object import TRACK
from .detections import Detections
from .errors import OptionError
from .libraries import import_library
from .picture_sources import UNKNOWN_RATE, Source, VideoFrames

# Below the threshold that is shown, down to this part of it, a detection may go on
# with a track; ByteTrack's own paper uses 0.1 beside 0.6.
UNSURE_SHARE = 1 / 6


class Tracker:
    """Follows objects from frame to frame; one tracker for one film.

    An object has an id from its second frame in a row on, and keeps it while it is
    hidden for up to a second. Classes are not looked at.

    Args:
        rate: Frames per second.
        score_threshold: From this score on a detection begins a track.

    Raises:
        OptionError: The library is not installed.
    """

    def __init__(self, rate: float, score_threshold: float):
        library = import_library("trackers", "trackers")
        self._supervision = import_library("supervision", "supervision")
        self._tracker = library.ByteTrackTracker(
            frame_rate=rate,
            track_activation_threshold=score_threshold,
            high_conf_det_threshold=score_threshold,
        )
        self._least = score_threshold

    @property
    def least_score(self) -> float:
        """The lowest score of detections that it can use."""
        return self._least * UNSURE_SHARE

    def update(self, found: Any) -> Detections:
        """Take the next frame's detections, and return those to show, with ids.

        Args:
            found: With scores down to `least_score`.

        Returns:
            The tracked ones, and those with a score of the threshold or more, in their
            order; ``data["tracker_id"]`` is -1 for those without a track.

        Raises:
            OptionError: It is a panoptic map, which has no boxes to follow.
        """
        if not isinstance(found, Detections):
            raise OptionError(
                "Objects can be tracked, and this model gives panoptic maps."
            )
        given = self._supervision.Detections(
            xyxy=np.asarray(found.boxes, dtype=np.float64),
            confidence=np.asarray(found.scores, dtype=np.float64),
            class_id=found.labels,
            data={"row": np.arange(len(found))},
        )
        ids = np.full(len(found), -1, dtype=np.int64)
        if len(found) or self._tracker.tracks:
            tracked = self._tracker.update(given)
            if len(tracked):
                ids[tracked.data["row"]] = tracked.tracker_id
        followed = replace(found, data={**found.data, TRACK: ids})
        return followed[(ids >= 0) | (found.scores >= self._least)]


def tracker_for(pictures: Source | None, score_threshold: float) -> Tracker:
    """Return a tracker for a film or a camera; of frames from memory 25 a second.

    Raises:
        OptionError: The source is no film, or the library is not installed.
    """
    if pictures is None:
        return Tracker(UNKNOWN_RATE, score_threshold)
    if not isinstance(pictures, VideoFrames):
        raise OptionError(
            "Tracking is for a film or a camera, where one frame follows the other; "
            "leave it out for pictures."
        )
    return Tracker(pictures.rate, score_threshold)
