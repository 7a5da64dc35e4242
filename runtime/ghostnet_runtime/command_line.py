"""The command ``ghostnet-detect``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .errors import UserError
from .status_line import tell
from .version import __version__

DESCRIPTION = """\
Run an exported detector on SOURCE: an image, a folder of images, a video file, or the
index of a camera. Writes annotated pictures (or a video) and detections.json to the
output folder as it goes: whatever ends a run, what is finished stays. Exit status 1
says that some pictures could not be read; the JSON file names them too."""

EXAMPLES = """\
examples:
  ghostnet-detect detector.onnx street.jpg
  ghostnet-detect detector.onnx photos/ --out found --score 0.5
  ghostnet-detect detector.onnx aerial.jpg --slice
  ghostnet-detect detector.onnx film.mp4 --track
  ghostnet-detect detector.xml 0 --show --max-frames 300

detections.json is a list with one entry per picture:
  {"image": "street.jpg", "width": 640, "height": 480, "detections":
    [{"class": "car", "label": 2, "score": 0.91, "bbox": [x1, y1, x2, y2]}]}
(a video has "frame": 0, 1, ... instead of "image", and with --track the detections
have "track": the object's id). A model with masks adds to each
detection "segmentation": {"size": [height, width], "counts": "..."}, COCO's RLE. A
picture that could not be read has instead {"image": "broken.jpg", "error": "..."}, and
several frames in a row {"frame": 20, "frames": 3, "error": "..."}."""

NO_OPENCV = (
    "OpenCV cannot be loaded ({reason}); install opencv-python, or where there is no "
    "desktop opencv-python-headless in its place."
)


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="ghostnet-detect",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("model", metavar="MODEL", help=".onnx, .xml or .param file")
    parser.add_argument(
        "source", metavar="SOURCE", help="image, folder, video or index of a camera"
    )
    parser.add_argument(
        "--out",
        default="detections",
        metavar="DIR",
        help="output folder (default: detections)",
    )
    parser.add_argument(
        "--score",
        type=float,
        default=0.3,
        metavar="S",
        help="leave out detections below this score, 0 to 1 (default: 0.3)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of the network (default: the library's choice)",
    )
    parser.add_argument(
        "--max-frames", type=int, metavar="N", help="stop after N pictures or frames"
    )
    parser.add_argument(
        "--track",
        action="store_true",
        help="give the objects of a video ids that they keep (needs trackers)",
    )
    parser.add_argument(
        "--slice",
        nargs="?",
        type=int,
        const=True,
        metavar="PIXELS",
        help="detect in slices of the pictures too, for small objects: of PIXELS, or "
        "of the size of the network's input",
    )
    parser.add_argument(
        "--show",
        action="store_true",
        help="also show a camera or a video in a window; q ends",
    )
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.score <= 1:
        parser.error("--score must lie between 0 and 1")
    for name in ("threads", "max_frames"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be 1 or more")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    arguments = parse_arguments(argv)
    try:
        import cv2
    except ImportError as error:
        print(f"error: {NO_OPENCV.format(reason=error)}", file=sys.stderr)
        return 2
    # A damaged file is told in one sentence, and OpenCV's decoders add none.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    from .detector import Detector

    try:
        detector = Detector(arguments.model, arguments.threads, arguments.score)
        results = detector.detect_all(
            arguments.source,
            arguments.out,
            score_threshold=arguments.score,
            max_frames=arguments.max_frames,
            show=arguments.show,
            track=arguments.track,
            slice=arguments.slice,
        )
    except UserError as error:
        tell(f"error: {error}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output is gone; Python must not complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 1 if results.missing else 0
