"""``ghostnet complexity``: parameters, MACs and activations, part by part."""

import argparse

from .detector_options import add_cfg_options, add_config, add_size

DESCRIPTION = """\
Count what one image costs in the detector of CONFIG: parameters, multiply-accumulates
of convolutions and matrix products, and the output elements of convolutions and linear
layers. Post-processing (decoding, NMS) is not counted."""
EXAMPLES = """\
examples:
  ghostnet complexity retinanet_ghostnet_coco
  ghostnet complexity yolox_ghostnet_coco --size 416 416
  ghostnet complexity retinanet_ghostnet_coco \\
      --cfg-options model.backbone.widen_factor=0.5"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_config(parser)
    add_size(parser, "image size in pixels (default: the config's test size, padded)")
    add_cfg_options(parser, "model.backbone.widen_factor=0.5")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.configuration import Options, load_config
    from ghostnet_mm.measuring.complexity import complexity_table
    from ghostnet_mm.measuring.detector_complexity import detector_complexity

    cfg = load_config(
        arguments.config, Options.from_arguments(arguments), training=False
    )
    size, rows = detector_complexity(cfg, arguments.size)
    print(f"{arguments.config}, one image of {size[0]} x {size[1]} pixels (H x W)")
    print(complexity_table(rows).markdown())
    print(
        "MACs: multiply-accumulates of convolutions and matrix products; 1 MAC is 2 "
        "FLOPs.\nActivations: output elements of convolutions and linear layers."
    )
