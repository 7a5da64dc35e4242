"""Make the digits dataset: handwritten digits on photographs, in COCO's layout."""

import argparse
import sys


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python tools/make_digits_dataset.py data/digits",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    return parser.parse_args(argv)


def show_progress(done: int, total: int) -> None:
    """Print one line that counts up on a terminal, a line per quarter elsewhere."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\rdigits dataset: {done}/{total} images", end=end, file=sys.stderr)
    elif done == total or done % max(total // 4, 1) == 0:
        print(f"digits dataset: {done}/{total} images", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Make the dataset and return the exit status."""
    args = parse_args(argv)
    from installation import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.datasets.digits.dataset import make_digits_dataset
    from ghostnet_mm.errors import UserError

    try:
        folder = make_digits_dataset(
            args.out_dir,
            args.num_train,
            args.num_val,
            args.image_size,
            args.seed,
            progress=show_progress,
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{folder}: {args.num_train} training and {args.num_val} validation images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
