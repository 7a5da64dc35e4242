"""Cut single digits out of the digits dataset, to pretrain a classifier on."""

import argparse
import sys


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python tools/make_digit_crops.py data/digits data/digit_crops",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("digits_dir", help="what tools/make_digits_dataset.py wrote")
    parser.add_argument("out_dir", help="folder to write; reused if it is complete")
    parser.add_argument(
        "--crops-per-digit",
        type=int,
        default=1,
        help="crops of each digit (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="chooses place and context (default: %(default)s)",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Make the crops and return the exit status."""
    args = parse_args(argv)
    from installation import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.datasets.digits.crops import make_digit_crops
    from ghostnet_mm.errors import UserError

    try:
        folder = make_digit_crops(
            args.digits_dir, args.out_dir, args.crops_per_digit, args.seed
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    train, val = (
        len(list((folder / split).glob("*/*.png"))) for split in ("train", "val")
    )
    print(f"{folder}: {train} training and {val} validation crops")
    return 0


if __name__ == "__main__":
    sys.exit(main())
