"""Show where a detector's time goes and what would save some; see --help."""

import argparse
import sys
from collections.abc import Sequence

DESCRIPTION = """\
Examine the detector of CONFIG on this CPU, from picture to boxes: milliseconds, MACs
and memory traffic of each part and each kind of operator, in eager PyTorch and in ONNX
Runtime, against what the machine reaches in a matrix product and a memory copy. Then
try changes (fused form, another runtime, INT8, a near width whose channels are
multiples of 8 and 16, a lighter head, smaller nms_pre), time each in turns with the
detector as it is, every one in a process of its own, and recommend those that are
faster. The checkpoint stays as it is."""
EXAMPLES = """\
examples:
  python tools/doctor.py configs/gfl_ghostnet-nano_coco.py
  python tools/doctor.py configs/retinanet_ghostnet_digits.py \\
      work_dirs/digits/epoch_5.pth --images data/digits/val2017 --threads 2 \\
      --html doctor.html"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", help="a file of configs/, or yours")
    parser.add_argument(
        "checkpoint",
        nargs="?",
        metavar="CHECKPOINT",
        help="its weights (default: random ones)",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="input of the network in pixels (default: the config's test size)",
    )
    parser.add_argument(
        "--threads", type=int, help="of every runtime (default: PyTorch's number)"
    )
    parser.add_argument("--rounds", type=int, default=20, help="timed rounds (20)")
    parser.add_argument(
        "--images", metavar="DIR", help="real pictures (default: synthetic ones)"
    )
    parser.add_argument(
        "--eager-only", action="store_true", help="export nothing: PyTorch alone"
    )
    parser.add_argument(
        "--no-proposals", action="store_true", help="only show where the time goes"
    )
    parser.add_argument("--json", metavar="FILE", help="also write all numbers")
    parser.add_argument("--html", metavar="FILE", help="also write a page")
    parser.add_argument(
        "--cfg-options", nargs="+", action="extend", metavar="KEY=VALUE"
    )
    return parser.parse_args(argv)


def examine(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from pathlib import Path

    from ghostnet_mm.benchmarking import BenchmarkCandidate, load_pictures
    from ghostnet_mm.configuration.options import parse_assignments
    from ghostnet_mm.doctor import (
        Examination,
        diagnose,
        markdown,
        write_json,
        write_page,
    )
    from ghostnet_mm.errors import OptionError

    for file in (arguments.json, arguments.html):
        if file and not Path(file).absolute().parent.is_dir():
            raise OptionError(f"The folder of {file} does not exist; make it first.")
    candidate = BenchmarkCandidate(
        Path(arguments.config).stem,
        arguments.config,
        arguments.checkpoint,
        cfg_options=parse_assignments(arguments.cfg_options or []),
    )
    if not candidate.is_config:
        raise OptionError(
            f"{arguments.config} is no config; give CONFIG, then the checkpoint."
        )
    examination = Examination(
        tuple(arguments.size) if arguments.size else None,
        arguments.threads,
        arguments.rounds,
        not arguments.eager_only,
        not arguments.no_proposals,
    )
    found = diagnose(candidate, load_pictures(arguments.images), examination)
    print("\n" + markdown(found))
    if arguments.json:
        write_json(found, arguments.json)
    if arguments.html:
        write_page(found, arguments.html)
    if found.was_interrupted:
        raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    arguments = parse_arguments(argv)  # before the slow imports: --help is instant
    from installation import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.configuration.command_line import run_tool

    return run_tool(examine, arguments)


if __name__ == "__main__":
    sys.exit(main())
