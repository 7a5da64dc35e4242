"""``ghostnet convert``: write your data in another format."""

import argparse

DESCRIPTION = """\
Read annotated pictures in any format that training reads, repair them as training does,
and write them as COCO, YOLO or Pascal VOC. IN is not changed. What was repaired, left
out, or does not exist in the other format is told in a line each."""
EXAMPLES = """\
examples:
  ghostnet convert my_photos my_photos_yolo --to yolo
  ghostnet convert labelme_folder coco_folder --to coco --pictures link"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("source", metavar="IN", help="your folder")
    parser.add_argument("out", metavar="OUT", help="a new folder")
    parser.add_argument(
        "--to", choices=["coco", "yolo", "voc"], required=True, help="the format"
    )
    parser.add_argument(
        "--pictures",
        choices=["copy", "link"],
        default="copy",
        help="copy the pictures, or link to them (default: copy)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.datasets.writers.converting import convert

    for line in convert(
        [arguments.source], arguments.out, arguments.to, arguments.pictures
    ):
        print(line)
    print(f"written: {arguments.out}")
