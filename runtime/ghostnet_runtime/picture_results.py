"""Detects on a source, and writes annotated pictures and one JSON file."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from .atomic_writing import finished_folder, refuse_overwriting
from .errors import OptionError
from .picture_sources import ImageFiles, Picture, VideoFrames, open_source
from .status_line import StatusLine, plain_duration
from .video_writer import VideoWriter

RESULTS_NAME = "detections.json"
WINDOW = "ghostnet-detect (q ends)"


class Finding(Protocol):
    """What a model finds in a picture: `Detections`, or a panoptic map."""

    def above(self, score: float) -> Finding:
        """Return what has this score or a higher one."""

    def plot(self, picture: np.ndarray, with_scores: bool = True) -> np.ndarray:
        """Draw it on a copy of the picture, (H, W, 3) uint8 BGR."""

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return a list of ``detections`` or of ``segments``."""


Detect = Callable[[np.ndarray], Finding]
Keep = Callable[[Finding, Path], object]


def detect_all(
    detect: Detect,
    source: str,
    out_dir: str | os.PathLike[str],
    score_threshold: float = 0.3,
    max_frames: int | None = None,
    show: bool = False,
    keep: Keep | None = None,
) -> Path:
    """Detect on a source, and write annotated pictures or a video, and one JSON file.

    The files appear in ``out_dir`` when everything is done; nothing is left behind by
    an error. Ctrl-C ends a video or a camera early and keeps what was done.

    Args:
        detect: A detector: takes a picture, (H, W, 3) uint8 BGR.
        source: An image, a folder, a video file, or a camera's index.
        out_dir: Where to write.
        score_threshold: Detections with a lower score are left out.
        max_frames: Stop after so many pictures.
        show: Also show a video or a camera in a window, until ``q`` is pressed.
        keep: Writes a further file; takes what was found and where the picture goes.

    Returns:
        The JSON file: a list with an entry for each picture, ``image`` or ``frame``,
        ``width``, ``height`` and what `Finding.to_json` gives.

    Raises:
        OptionError: There is no display, or ``out_dir`` cannot be written.
        DataError: The source, or one of its pictures, cannot be read.
    """
    if show:
        check_display()
    pictures = open_source(source)
    if show and not pictures.is_video:
        raise OptionError("--show is for a camera or a video; look into --out.")
    if not pictures.is_video:
        refuse_overwriting(out_dir, pictures.root)
    with finished_folder(out_dir) as folder:
        writer = VideoWriter(folder, pictures) if pictures.is_video else None
        line, results, started = StatusLine(), [], time.monotonic()
        try:
            for picture in pictures:
                found = detect(picture.pixels).above(score_threshold)
                target = folder / picture.file_name
                if keep is not None:
                    keep(found, target)
                drawn = found.plot(picture.pixels)
                results.append({**_header(picture), **found.to_json()})
                if writer is not None:
                    writer.write(drawn)
                else:
                    write_image(target, drawn)
                if line.is_due() or len(results) in (max_frames, pictures.total):
                    line.show(_progress(len(results), pictures, max_frames, started))
                if len(results) == max_frames or (show and _is_ended(drawn)):
                    break
        except KeyboardInterrupt:
            if not pictures.is_video:
                raise
        finally:
            if writer is not None:
                writer.release()
            if show:
                cv2.destroyAllWindows()
        (folder / RESULTS_NAME).write_text(
            json.dumps(results, indent=1), encoding="utf-8"
        )
    line.clear()
    kind = "segments" if any("segments" in entry for entry in results) else "detections"
    count = sum(len(entry[kind]) for entry in results)
    rate = len(results) / max(time.monotonic() - started, 1e-9)
    target = Path(out_dir).expanduser() / RESULTS_NAME
    print(
        f"{count} {kind} on {len(results)} pictures, {rate:.1f} images/s "
        f"(reading and drawing included): {target}",
        flush=True,
    )
    return target


def check_display() -> None:
    """Make sure that a window can be opened.

    Raises:
        OptionError: There is no display, or OpenCV was built without windows.
    """
    if sys.platform.startswith("linux"):
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OptionError("--show needs a display and there is none; leave it out.")
    try:
        cv2.namedWindow(WINDOW)
    except cv2.error as error:
        raise OptionError(
            "--show needs OpenCV with windows; install opencv-python in place of "
            "opencv-python-headless."
        ) from error


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8 BGR, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def _header(picture: Picture) -> dict[str, Any]:
    height, width = picture.pixels.shape[:2]
    key = "frame" if isinstance(picture.name, int) else "image"
    return {key: picture.name, "width": width, "height": height}


def _is_ended(drawn: np.ndarray) -> bool:
    cv2.imshow(WINDOW, drawn)
    return cv2.waitKey(1) & 0xFF == ord("q")


def _progress(
    done: int,
    pictures: ImageFiles | VideoFrames,
    max_frames: int | None,
    started: float,
) -> str:
    elapsed = time.monotonic() - started
    ends = [one for one in (pictures.total, max_frames) if one is not None]
    total = min(ends) if ends else None
    text = f"{done}{f'/{total}' if total else ''} images"
    text += f"  {done / max(elapsed, 1e-9):.1f} images/s"
    if total:
        text += f"  ETA {plain_duration(elapsed / done * (total - done))}"
    return text
