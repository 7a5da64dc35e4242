"""``ghostnet draw-grid``: draw what a detector finds beside what is there."""

import argparse

DESCRIPTION = """\
Run a detector on images of its validation split and write one picture: each image with
its detections, beside the same image with its ground truth."""
EXAMPLES = """\
examples:
  ghostnet draw-grid work_dirs/retinanet_ghostnet_digits
  ghostnet draw-grid work_dirs/my_run/epoch_12.pth --num-images 12"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="a checkpoint of ghostnet train, or its work dir for the latest one",
    )
    parser.add_argument("--config", help="default: the one in the checkpoint")
    parser.add_argument(
        "--data-root",
        nargs="+",
        action="extend",
        metavar="DIR",
        help="default: those of the training; takes all that follows up to the next "
        "option, so write CHECKPOINT before it",
    )
    parser.add_argument(
        "--split",
        choices=["train", "val"],
        default="val",
        help="which images (default: %(default)s)",
    )
    parser.add_argument(
        "--num-images", type=int, default=8, help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.3,
        help="leave out detections below this score (default: %(default)s)",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="default: detections.png beside the checkpoint"
    )


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.configuration import Options
    from ghostnet_mm.engine.inference.detection_pictures import draw_validation_grid

    path = draw_validation_grid(
        arguments.checkpoint,
        arguments.config,
        Options.from_arguments(arguments),
        split=arguments.split,
        num_images=arguments.num_images,
        score_threshold=arguments.score_threshold,
        out=arguments.out,
    )
    print(f"detections beside their ground truth: {path}")
