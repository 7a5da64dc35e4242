"""``ghostnet detect``: detect objects in pictures, videos or a camera's view."""

import argparse

from .detector_options import add_input_options

DESCRIPTION = """\
Run a trained detector on INPUT: an image, a folder of images, a video file, or the
index of a camera. Writes annotated pictures (or a video) and detections.json to the
output folder as it goes: whatever ends a run, what is finished stays. Exit status 1
says that some pictures could not be read; the JSON file names them too."""

EXAMPLES = """\
examples:
  ghostnet detect street.jpg --checkpoint work_dirs/my_run/epoch_12.pth
  ghostnet detect photos/ --checkpoint epoch_12.pth --score-threshold 0.5
  ghostnet detect aerial.jpg --checkpoint epoch_12.pth --slice
  ghostnet detect film.mp4 --checkpoint epoch_12.pth --track
  ghostnet detect 0 --checkpoint epoch_12.pth --out camera --max-frames 300

detections.json is a list with one entry per picture:
  {"image": "street.jpg", "width": 640, "height": 480, "detections":
    [{"class": "car", "label": 2, "score": 0.91, "bbox": [x1, y1, x2, y2]}]}
(a video has "frame": 0, 1, ... instead of "image", and with --track the detections
have "track": the object's id). A model with masks adds to each
detection "segmentation": {"size": [height, width], "counts": "..."}, COCO's RLE. A
panoptic model has instead of the detections "segments":
    [{"id": 1002, "class": "car", "label": 2, "is_thing": true, "area": 5300}].
A picture that could not be read has instead {"image": "broken.jpg", "error": "..."},
and several frames in a row {"frame": 20, "frames": 3, "error": "..."}."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_input_options(
        parser,
        inputs="image, folder, video or index",
        out="detections",
        cfg_options="model.test_cfg.nms.iou_threshold=0.5",
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.3,
        metavar="S",
        help="leave out detections below this score, 0 to 1 (default: 0.3)",
    )
    parser.add_argument(
        "--max-frames", type=int, metavar="N", help="stop after N pictures or frames"
    )
    parser.add_argument(
        "--show",
        action="store_true",
        help="also show a camera or a video in a window; q ends",
    )
    parser.add_argument(
        "--track",
        action="store_true",
        help="give the objects of a video ids that they keep (needs trackers: pip "
        "install trackers)",
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
        "--panoptic-png",
        action="store_true",
        help="also write each panoptic map as PNG: id = red + 256 green + 65536 blue",
    )


def check_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> None:
    """End with a usage error where options are impossible together."""
    if not 0 <= arguments.score_threshold <= 1:
        parser.error("--score-threshold must lie between 0 and 1")
    if arguments.max_frames is not None and arguments.max_frames < 1:
        parser.error("--max-frames must be 1 or more")


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks; 1 says that pictures are missing."""
    from ghostnet_runtime.picture_results import detect_all
    from ghostnet_runtime.slicing import sliced

    from ghostnet_mm.configuration import Options
    from ghostnet_mm.engine.inference.detection import (
        load_detector,
        write_panoptic_png,
    )

    detector = load_detector(
        arguments.checkpoint,
        arguments.config,
        Options.from_arguments(arguments),
        arguments.device,
    )
    results = detect_all(
        sliced(detector.detect, arguments.slice, detector.input_side),
        arguments.input,
        arguments.out,
        arguments.score_threshold,
        arguments.max_frames,
        arguments.show,
        keep=write_panoptic_png if arguments.panoptic_png else None,
        track=arguments.track,
    )
    return 1 if results.missing else 0
