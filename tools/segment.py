"""Draw what a segmentor says about every pixel of pictures; see --help."""

import argparse
import sys
from collections.abc import Sequence

DESCRIPTION = """\
Run a trained segmentor on INPUT: an image or a folder of images. For each picture
street.jpg the output folder gets street.jpg.png, tinted by class with a legend, and
street.jpg.labels.png, whose grey values are the labels. Exit status 1 says that some
pictures could not be read; they are named at the end."""

EXAMPLES = """\
examples:
  python tools/segment.py street.jpg --checkpoint work_dirs/my_run/iter_160000.pth
  python tools/segment.py photos/ --checkpoint iter_160000.pth --out segmented"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="INPUT", help="image or folder")
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="FILE",
        help="weights written by tools/train.py",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="default: the config that the checkpoint carries",
    )
    parser.add_argument(
        "--out",
        default="segmented",
        metavar="DIR",
        help="output folder (default: segmented)",
    )
    parser.add_argument(
        "--device", help="such as cpu or cuda:0 (default: the first GPU, or the CPU)"
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="change settings of the config, such as model.test_cfg.mode=slide",
    )
    return parser.parse_args(argv)


def segment(arguments: argparse.Namespace) -> int:
    """Do what the command line asks; 1 says that pictures are missing."""
    from ghostnet_mm.configuration import Options
    from ghostnet_mm.engine.inference.segmentation import load_segmentor, segment_all

    segmentor = load_segmentor(
        arguments.checkpoint,
        arguments.config,
        Options.from_arguments(arguments),
        arguments.device,
    )
    report = segment_all(segmentor, arguments.input, arguments.out)
    return 1 if report.missing else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    arguments = parse_arguments(argv)  # before the slow imports: --help is instant
    from installation import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.configuration.command_line import run_tool

    return run_tool(segment, arguments)


if __name__ == "__main__":
    sys.exit(main())
