"""``ghostnet make-digit-crops``: single digits to pretrain a classifier on."""

import argparse

DESCRIPTION = """\
Cut single digits out of the digits dataset, to pretrain a classifier on."""
EXAMPLES = """\
examples:
  ghostnet make-digit-crops data/digits data/digit_crops"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("digits_dir", help="what ghostnet make-digits wrote")
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


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.datasets.digits.crops import make_digit_crops

    folder = make_digit_crops(
        arguments.digits_dir,
        arguments.out_dir,
        arguments.crops_per_digit,
        arguments.seed,
    )
    train, val = (
        len(list((folder / split).glob("*/*.png"))) for split in ("train", "val")
    )
    print(f"{folder}: {train} training and {val} validation crops")
