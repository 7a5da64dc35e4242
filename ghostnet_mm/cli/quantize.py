"""``ghostnet quantize``: quantize a trained detector to INT8, measured."""

import argparse

from .detector_options import (
    add_deployment_options,
    add_detector_options,
    check_deployment_options,
)

DESCRIPTION = """\
Quantize a trained detector to INT8 after training: calibrate on your pictures, rank
the blocks by what INT8 does to them, equalize the halves of Ghost modules, find the
layers that INT8 makes faster, and keep the most sensitive blocks in float until the mAP
goal is met. Writes one file per runtime, and a report of every step (JSON, Markdown,
HTML), which an interruption leaves as far as it has come."""

EXAMPLES = """\
examples:
  ghostnet quantize retinanet_ghostnet_digits \\
      work_dirs/retinanet_ghostnet_digits/epoch_5.pth --data-root data/digits
  ghostnet quantize my_config.py epoch_12.pth --images photos/ \\
      --runtimes onnxruntime --float bbox_head --threads 2

runtimes (default: onnxruntime openvino):
  onnxruntime       QDQ, INT8 weights per channel
  openvino          NNCF's post-training quantization, with bfloat16 beside it
  ncnn              convolutions in INT8 per channel, what is between in float;
                    unverified on ARM: its files were only ever run on x86"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_detector_options(
        parser,
        data_root="a folder in COCO layout: calibrates on its training pictures and "
        "scores its validation pictures",
        cfg_options="model.test_cfg.nms_pre=300",
    )
    add_deployment_options(parser)
    parser.add_argument(
        "--images", metavar="DIR", help="other pictures to calibrate with"
    )
    parser.add_argument(
        "--num-images", type=int, default=100, help="how many calibrate (100)"
    )
    parser.add_argument(
        "--runtimes", nargs="+", metavar="NAME", help="what to write for, see below"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="output folder (default: int8/ beside the checkpoint)",
    )
    parser.add_argument(
        "--calibration",
        nargs="+",
        default=["minmax", "percentile"],
        metavar="NAME",
        help="ways to choose the ranges of activations that are tried: minmax, "
        "percentile, entropy (default: minmax percentile)",
    )
    parser.add_argument(
        "--float",
        nargs="+",
        default=[],
        metavar="LAYER",
        help="layers or blocks that stay in float in any case",
    )
    parser.add_argument(
        "--points", type=float, default=1.0, help="of mAP that may be lost (1.0)"
    )
    parser.add_argument(
        "--error",
        type=float,
        default=0.05,
        help="output error that is allowed where nothing is labelled (0.05)",
    )
    parser.add_argument(
        "--ranking-images", type=int, default=16, help="how many rank the blocks (16)"
    )


def check_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> None:
    """End with a usage error where options are impossible together."""
    if arguments.data_root is None and arguments.images is None:
        parser.error("give pictures to calibrate with: --data-root DIR or --images DIR")
    check_deployment_options(parser, arguments, "num_images", "ranking_images")
    for name in ("points", "error"):
        if getattr(arguments, name) < 0:
            parser.error(f"--{name} must be 0 or more")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from pathlib import Path

    from ghostnet_mm.configuration import Options
    from ghostnet_mm.engine.inference.detection import load_detector
    from ghostnet_mm.export.card.accuracy import labelled_pictures
    from ghostnet_mm.quantization.calibration import calibration_pictures
    from ghostnet_mm.quantization.quantizing import quantize_detector
    from ghostnet_mm.quantization.report import REPORT_PAGE, steps_table
    from ghostnet_mm.quantization.request import Goal, QuantizationRequest
    from ghostnet_mm.quantization.runtimes.registry import DEFAULT_RUNTIMES
    from ghostnet_mm.shipped_configs import config_name

    options = Options.from_arguments(arguments)
    has_data = arguments.data_root is not None
    detector = load_detector(
        arguments.checkpoint,
        arguments.config,
        options,
        device="cpu",
        training=has_data,  # The pictures to calibrate with are of the training split.
    )
    cfg = detector.model.cfg
    labelled = labelled_pictures(cfg, arguments.limit) if has_data else None
    out_dir = arguments.out or Path(arguments.checkpoint).parent / "int8"
    report = quantize_detector(
        detector,
        out_dir,
        arguments.name or config_name(arguments.config),
        QuantizationRequest(
            calibration=calibration_pictures(
                cfg, arguments.num_images, arguments.images
            ),
            labelled=labelled,
            runtimes=arguments.runtimes or DEFAULT_RUNTIMES,
            goal=Goal(arguments.points, arguments.error),
            size=tuple(arguments.size) if arguments.size else None,
            float_names=arguments.float,
            methods=arguments.calibration,
            ranking_pictures=arguments.ranking_images,
            rounds=arguments.latency_rounds,
            threads=arguments.threads,
        ),
    )
    print(f"\n{steps_table(report).markdown()}\n")
    for sentence in report.missed.values():
        print(f"goal missed: {sentence}")
    for note in report.notes:
        print(f"note: {note}")
    print(f"written to {out_dir}; the whole report: {Path(out_dir) / REPORT_PAGE}")
