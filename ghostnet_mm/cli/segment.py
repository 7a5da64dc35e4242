"""``ghostnet segment``: draw what a segmentor says about every pixel of pictures."""

import argparse

from .detector_options import add_input_options

DESCRIPTION = """\
Run a trained segmentor on INPUT: an image or a folder of images. For each picture
street.jpg the output folder gets street.jpg.png, tinted by class with a legend, and
street.jpg.labels.png, whose grey values are the labels. Exit status 1 says that some
pictures could not be read; they are named at the end."""

EXAMPLES = """\
examples:
  ghostnet segment street.jpg --checkpoint work_dirs/my_run/iter_160000.pth
  ghostnet segment photos/ --checkpoint iter_160000.pth --out segmented"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_input_options(
        parser,
        inputs="image or folder",
        out="segmented",
        cfg_options="model.test_cfg.mode=slide",
    )


def run(arguments: argparse.Namespace) -> int:
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
