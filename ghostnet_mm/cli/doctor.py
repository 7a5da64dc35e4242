"""``ghostnet doctor``: show where a detector's time goes and what would save some."""

import argparse

from .detector_options import add_cfg_options, add_config, add_size

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
  ghostnet doctor gfl_ghostnet-nano_coco
  ghostnet doctor retinanet_ghostnet_digits \\
      work_dirs/digits/epoch_5.pth --images data/digits/val2017 --threads 2 \\
      --html doctor.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_config(parser)
    parser.add_argument(
        "checkpoint",
        nargs="?",
        metavar="CHECKPOINT",
        help="its weights (default: random ones)",
    )
    add_size(parser, "input of the network in pixels (default: the config's test size)")
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
    add_cfg_options(parser, "model.test_cfg.nms_pre=300")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from pathlib import Path

    from ghostnet_mm.benchmarking import BenchmarkCandidate, load_pictures
    from ghostnet_mm.configuration.files.reading import named_config
    from ghostnet_mm.configuration.options import parse_assignments
    from ghostnet_mm.doctor import (
        Examination,
        diagnose,
        markdown,
        write_json,
        write_page,
    )
    from ghostnet_mm.errors import OptionError
    from ghostnet_mm.shipped_configs import config_name

    for file in (arguments.json, arguments.html):
        if file and not Path(file).absolute().parent.is_dir():
            raise OptionError(f"The folder of {file} does not exist; make it first.")
    candidate = BenchmarkCandidate(
        config_name(arguments.config),
        named_config(arguments.config),
        arguments.checkpoint,
        cfg_options=parse_assignments(arguments.cfg_options or []),
    )
    if not candidate.is_config:
        raise OptionError(
            f"{arguments.config} is no config; give CONFIG, then the checkpoint."
        )
    examination = Examination(
        size=tuple(arguments.size) if arguments.size else None,
        threads=arguments.threads,
        rounds=arguments.rounds,
        runtimes=not arguments.eager_only,
        proposals=not arguments.no_proposals,
    )
    found = diagnose(candidate, load_pictures(arguments.images), examination)
    print("\n" + markdown(found))
    if arguments.json:
        write_json(found, arguments.json)
    if arguments.html:
        write_page(found, arguments.html)
    if found.was_interrupted:
        raise KeyboardInterrupt
