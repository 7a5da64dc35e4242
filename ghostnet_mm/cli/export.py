"""``ghostnet export``: export a trained detector for phones and CPUs, with proof."""

import argparse

from .detector_options import (
    add_deployment_options,
    add_detector_options,
    check_deployment_options,
)

DESCRIPTION = """\
Write a trained detector as files for phones and CPUs, run every file through its own
runtime, and write a deploy card (JSON and HTML): size, differences from PyTorch on real
pictures, COCO mAP beside PyTorch's, latency, and the first layer that differs where one
does. A difference above the tolerance is an error: the exit status is 2."""

EXAMPLES = """\
examples:
  ghostnet export retinanet_ghostnet_digits \\
      work_dirs/retinanet_ghostnet_digits/epoch_5.pth --data-root data/digits
  ghostnet export my_config.py epoch_12.pth --images photos/ --no-map \\
      --formats onnx onnx-nms openvino --preprocess --size 320 320

formats (default: all whose libraries are installed):
  onnx              boxes and scores of all candidates; ghostnet_runtime selects
  onnx-nms          with NMS in the graph: detections and labels
  openvino          OpenVINO IR
  ncnn              through pnnx; no two-stage detectors
  torchscript       for libtorch
  exported-program  torch.export's .pt2
  executorch        with XNNPACK; no two-stage detectors
  litert            .tflite; no two-stage detectors"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_detector_options(
        parser,
        data_root="a folder in COCO layout: its validation pictures are compared and "
        "scored",
        cfg_options="model.test_cfg.nms_pre=300",
    )
    add_deployment_options(parser)
    parser.add_argument(
        "--formats", nargs="+", metavar="NAME", help="what to write, see below"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="output folder (default: deploy/ beside the checkpoint)",
    )
    parser.add_argument(
        "--images", metavar="DIR", help="other real pictures to compare on"
    )
    parser.add_argument(
        "--num-images", type=int, default=10, help="how many are compared on (10)"
    )
    parser.add_argument(
        "--no-map", action="store_true", help="no COCO scores, differences only"
    )
    parser.add_argument(
        "--dynamic-batch", action="store_true", help="ONNX and OpenVINO: any batch"
    )
    parser.add_argument(
        "--dynamic-size", action="store_true", help="ONNX and OpenVINO: any size"
    )
    parser.add_argument(
        "--preprocess",
        action="store_true",
        help="ONNX and OpenVINO take uint8 pictures: the graph resizes and normalizes",
    )
    parser.add_argument(
        "--concat-free",
        choices=["none", "measured", "all"],
        default="none",
        help="rewrite Ghost blocks without their widest concatenation, which computes "
        "the same: those measured faster here, or all (none)",
    )
    parser.add_argument(
        "--box-tolerance",
        type=float,
        default=0.1,
        metavar="PX",
        help="how far boxes may differ from PyTorch's, in pixels (0.1)",
    )
    parser.add_argument(
        "--score-tolerance",
        type=float,
        default=1e-3,
        metavar="S",
        help="how far scores may differ from PyTorch's (0.001)",
    )


def check_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> None:
    """End with a usage error where options are impossible together."""
    if arguments.data_root is None and arguments.images is None:
        parser.error(
            "give real pictures to compare on: --data-root DIR or --images DIR"
        )
    check_deployment_options(parser, arguments, "num_images")
    if arguments.concat_free == "measured" and not arguments.latency_rounds:
        parser.error("--concat-free measured needs --latency-rounds of 1 or more")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from pathlib import Path

    from ghostnet_mm.configuration import Options
    from ghostnet_mm.engine.inference.detection import load_detector
    from ghostnet_mm.export.card.card_page import formats_table
    from ghostnet_mm.export.trained_export import export_trained
    from ghostnet_mm.shipped_configs import config_name

    detector = load_detector(
        arguments.checkpoint,
        arguments.config,
        Options.from_arguments(arguments),
        device="cpu",
    )
    exported = export_trained(
        detector,
        arguments.out or Path(arguments.checkpoint).parent / "deploy",
        arguments.name or config_name(arguments.config),
        use_labels=arguments.data_root is not None,
        formats=arguments.formats,
        images=arguments.images,
        num_images=arguments.num_images,
        no_map=arguments.no_map,
        limit=arguments.limit,
        size=arguments.size,
        dynamic_batch=arguments.dynamic_batch,
        dynamic_size=arguments.dynamic_size,
        preprocess=arguments.preprocess,
        concat_free=arguments.concat_free,
        latency_rounds=arguments.latency_rounds,
        threads=arguments.threads,
        box_tolerance=arguments.box_tolerance,
        score_tolerance=arguments.score_tolerance,
    )
    print(f"\n{formats_table(exported.card).markdown()}\n")
    print(f"written to {exported.folder}; the whole card: {exported.card_page}")
    exported.check()
