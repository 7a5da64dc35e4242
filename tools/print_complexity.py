"""Print parameters, MACs and activations of a config's detector, part by part."""

import argparse
import sys
from collections.abc import Sequence

DESCRIPTION = """\
Count what one image costs in the detector of CONFIG: parameters, multiply-accumulates
of convolutions and matrix products, and the output elements of convolutions and linear
layers. Post-processing (decoding, NMS) is not counted."""
EXAMPLES = """\
examples:
  python tools/print_complexity.py configs/retinanet_ghostnet_coco.py
  python tools/print_complexity.py configs/yolox_ghostnet_coco.py --size 416 416
  python tools/print_complexity.py configs/retinanet_ghostnet_coco.py \\
      --cfg-options model.backbone.widen_factor=0.5"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", help="a file of configs/, or yours")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="image size in pixels (default: the config's test size, padded)",
    )
    parser.add_argument(
        "--cfg-options", nargs="+", action="extend", metavar="KEY=VALUE"
    )
    return parser.parse_args(argv)


def print_complexity(arguments: argparse.Namespace) -> None:
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    arguments = parse_arguments(argv)
    from installation import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.configuration.command_line import run_tool

    return run_tool(print_complexity, arguments)


if __name__ == "__main__":
    sys.exit(main())
