"""Draw what a detector finds beside what is there; see --help."""

import argparse
import sys
from collections.abc import Sequence

DESCRIPTION = """\
Run a detector on images of its validation split and write one picture: each image with
its detections, beside the same image with its ground truth."""
EXAMPLES = """\
examples:
  python tools/draw_grid.py work_dirs/retinanet_ghostnet_digits
  python tools/draw_grid.py work_dirs/my_run/epoch_12.pth --num-images 12"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="a checkpoint of tools/train.py, or its work dir for the latest one",
    )
    parser.add_argument("--config", help="default: the one in the checkpoint")
    parser.add_argument(
        "--data-root", metavar="DIR", help="default: the one of the training"
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
    return parser.parse_args(argv)


def draw(arguments: argparse.Namespace) -> None:
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    arguments = parse_arguments(argv)  # before the slow imports: --help is instant
    from installation import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.configuration.command_line import run_tool

    return run_tool(draw, arguments)


if __name__ == "__main__":
    sys.exit(main())
