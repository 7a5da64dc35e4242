"""``ghostnet make-digits``: handwritten digits on photographs, in COCO's layout."""

import argparse
import sys

DESCRIPTION = """\
Make the digits dataset: handwritten digits on photographs, in COCO's layout. It needs
no download, and a detector learns it within minutes on two cores."""
EXAMPLES = """\
examples:
  ghostnet make-digits data/digits
  ghostnet make-digits data/few_digits --num-train 200 --num-val 50"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("out_dir", help="folder to write; reused if it is complete")
    parser.add_argument(
        "--num-train",
        type=int,
        default=1500,
        help="number of training images (default: %(default)s)",
    )
    parser.add_argument(
        "--num-val",
        type=int,
        default=200,
        help="number of validation images (default: %(default)s)",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        default=256,
        help="side of the square images in pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="chooses the pictures (default: %(default)s)",
    )


def show_progress(done: int, total: int) -> None:
    """Print one line that counts up on a terminal, a line per quarter elsewhere."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\rdigits dataset: {done}/{total} images", end=end, file=sys.stderr)
    elif done == total or done % max(total // 4, 1) == 0:
        print(f"digits dataset: {done}/{total} images", file=sys.stderr)


def needs_stack(arguments: argparse.Namespace) -> bool:
    """Return False: importing torch takes longer than drawing the digits."""
    return False


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.datasets.digits.dataset import make_digits_dataset

    folder = make_digits_dataset(
        arguments.out_dir,
        arguments.num_train,
        arguments.num_val,
        arguments.image_size,
        arguments.seed,
        progress=show_progress,
    )
    print(
        f"{folder}: {arguments.num_train} training and {arguments.num_val} validation "
        f"images"
    )
