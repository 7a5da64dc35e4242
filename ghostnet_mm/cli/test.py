"""``ghostnet test``: evaluate a model."""

import argparse

from .detector_options import add_data_options, add_detector_options, add_launcher

DESCRIPTION = """\
Evaluate CHECKPOINT on the test split of CONFIG and print its scores, COCO AP for each
class. The checkpoint must fit the config in full.

Named options win over --cfg-options, and these win over the file."""

EXAMPLES = """\
examples:
  ghostnet test retinanet_ghostnet_coco epoch_12.pth --data-root coco
  ghostnet test retinanet_ghostnet_digits \\
      work_dirs/retinanet_ghostnet_digits/epoch_5.pth \\
      --out digits.json --show-dir pictures
  ghostnet test gfl_ghostnet-nano_coco a.pth --data-root photos --compare b.pth"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_detector_options(
        parser,
        config="a name from ghostnet configs, or your file",
        data_root="test on the folder DIR (its val split if it has no test split); "
        "class names, num_classes and the evaluator follow",
        cfg_options="test_dataloader.batch_size=8",
    )
    add_data_options(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="write the detections as COCO results JSON"
    )
    parser.add_argument(
        "--compare",
        metavar="OTHER",
        help="test the checkpoint OTHER, with the config it carries, on the same "
        "pictures, and say whether it is better",
    )
    parser.add_argument(
        "--show-dir", metavar="DIR", help="write the pictures with their detections"
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.3,
        metavar="S",
        help="lowest score drawn in the pictures, and counted for one class taken for "
        "another (default: 0.3); AP counts them all",
    )
    parser.add_argument(
        "--work-dir",
        metavar="DIR",
        help="where the log goes; default: ./work_dirs/<name of the config>/test",
    )
    add_launcher(parser)


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.configuration import Options, prepare_run
    from ghostnet_mm.engine.paired_test import compare_tests, prepare_other
    from ghostnet_mm.engine.run import run_testing

    options = Options.from_arguments(arguments)
    prepared = prepare_run(arguments.config, options, training=False)
    other = arguments.compare and prepare_other(prepared.cfg, arguments.compare)
    evaluation = run_testing(
        prepared.cfg,
        arguments.checkpoint,
        model=prepared.model,
        out=arguments.out,
        show_dir=arguments.show_dir,
        score_threshold=arguments.score_threshold,
    )
    if other:
        compare_tests(
            evaluation,
            arguments.checkpoint,
            other,
            arguments.compare,
            arguments.score_threshold,
        )
