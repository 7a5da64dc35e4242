"""Detects on a source and writes what was found."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from .detection_json import picture_entry
from .detector import Detector
from .drawing import draw_detections
from .errors import OptionError
from .finished_folder import finished_folder
from .picture_sources import ImageFiles, VideoFrames, open_source
from .status_line import StatusLine, plain_duration
from .video_writer import VideoWriter

RESULTS_NAME = "detections.json"
WINDOW = "ghostnet-detect (q ends)"


def detect_all(
    detector: Detector,
    source: str,
    out_dir: str | os.PathLike,
    score_threshold: float = 0.3,
    max_frames: int | None = None,
    show: bool = False,
) -> Path:
    """Detect on a source, and write annotated pictures or a video, and one JSON file.

    The files appear in ``out_dir`` when everything is done; nothing is left behind by
    an error. Ctrl-C ends a video or a camera early and keeps what was done.

    Args:
        detector: The detector.
        source: An image, a folder, a video file, or a camera's index.
        out_dir: Where to write.
        score_threshold: Detections with a lower score are left out.
        max_frames: Stop after so many pictures.
        show: Also show a video or a camera in a window, until ``q`` is pressed.

    Returns:
        The JSON file: a list with an entry of `picture_entry` for each picture.

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
        _refuse_overwriting(Path(out_dir), pictures.root)
    names = detector.classes
    with finished_folder(out_dir) as folder:
        writer = VideoWriter(folder, pictures) if pictures.is_video else None
        line, results, started = StatusLine(), [], time.monotonic()
        try:
            for picture in pictures:
                found = detector(picture.pixels)
                results.append(picture_entry(picture, found, names, score_threshold))
                drawn = draw_detections(
                    picture.pixels,
                    found.boxes,
                    found.labels,
                    found.scores,
                    names,
                    score_threshold,
                    found.masks,
                )
                if writer is not None:
                    writer.write(drawn)
                else:
                    _write_image(folder / str(picture.name), drawn)
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
    count = sum(len(one["detections"]) for one in results)
    rate = len(results) / max(time.monotonic() - started, 1e-9)
    target = Path(out_dir).expanduser() / RESULTS_NAME
    print(
        f"{count} detections on {len(results)} pictures, {rate:.1f} images/s "
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


def _is_ended(drawn: np.ndarray) -> bool:
    cv2.imshow(WINDOW, drawn)
    return cv2.waitKey(1) & 0xFF == ord("q")


def _refuse_overwriting(out_dir: Path, folder: Path) -> None:
    if out_dir.expanduser().resolve() == folder.resolve():
        raise OptionError(
            f"--out {out_dir} is the folder of the pictures themselves; name another."
        )


def _write_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


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
