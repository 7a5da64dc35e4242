"""Evaluate a model; see --help."""

import argparse
import sys
from collections.abc import Sequence

from detector_options import add_data_options, add_detector_options

DESCRIPTION = """\
Evaluate CHECKPOINT on the test split of CONFIG and print its scores, COCO AP for each
class. The checkpoint must fit the config in full.

Named options win over --cfg-options, and these win over the file."""

EXAMPLES = """\
examples:
  python tools/test.py configs/retinanet_ghostnet_coco.py epoch_12.pth --data-root coco
  python tools/test.py configs/retinanet_ghostnet_digits.py \\
      work_dirs/retinanet_ghostnet_digits/epoch_5.pth \\
      --out digits.json --show-dir pictures"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_detector_options(
        parser,
        config="a file of configs/, or yours",
        data_root="test on the folder DIR (its val split if it has no test split); "
        "class names, num_classes and the evaluator follow",
        cfg_options="test_dataloader.batch_size=8",
    )
    add_data_options(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="write the detections as COCO results JSON"
    )
    parser.add_argument(
        "--show-dir", metavar="DIR", help="write the pictures with their detections"
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.3,
        metavar="S",
        help="lowest score drawn in the pictures (default: 0.3); AP counts them all",
    )
    parser.add_argument(
        "--work-dir",
        metavar="DIR",
        help="where the log goes; default: ./work_dirs/<name of the config>/test",
    )
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="what started the processes (default: none, a single one)",
    )
    return parser.parse_args(argv)


def test(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.configuration import Options, load_config
    from ghostnet_mm.engine.run import run_testing

    options = Options.from_arguments(arguments)
    run_testing(
        load_config(arguments.config, options, training=False),
        arguments.checkpoint,
        out=arguments.out,
        show_dir=arguments.show_dir,
        score_threshold=arguments.score_threshold,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    arguments = parse_arguments(argv)  # before the slow imports: --help is instant
    from installation import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.configuration.command_line import run_tool

    return run_tool(test, arguments)


if __name__ == "__main__":
    sys.exit(main())
