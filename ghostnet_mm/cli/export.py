"""``ghostnet export``: export a trained detector for phones and CPUs, with proof."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

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
    from itertools import islice
    from pathlib import Path

    from ghostnet_runtime.picture_sources import open_source

    from ghostnet_mm.configuration import Options
    from ghostnet_mm.engine.inference.detection import load_detector
    from ghostnet_mm.errors import ExportError
    from ghostnet_mm.export.card.accuracy import labelled_pictures
    from ghostnet_mm.export.card.card_page import formats_table
    from ghostnet_mm.export.card.deploy_card import Tolerances
    from ghostnet_mm.export.card.export_request import ExportRequest
    from ghostnet_mm.export.exporting import CARD_PAGE, export_detector
    from ghostnet_mm.export.formats.base import ExportOptions
    from ghostnet_mm.shipped_configs import config_name

    detector = load_detector(
        arguments.checkpoint,
        arguments.config,
        Options.from_arguments(arguments),
        device="cpu",
    )
    labelled = None
    pictures: Iterable[np.ndarray] = []  # of one of the two options, at the least
    if arguments.data_root is not None:
        labelled = labelled_pictures(detector.model.cfg, arguments.limit)
        pictures = labelled.read()
    if arguments.images is not None:
        pictures = (picture.pixels for picture in open_source(arguments.images))
    name = arguments.name or config_name(arguments.config)
    out_dir = arguments.out or Path(arguments.checkpoint).parent / "deploy"
    card = export_detector(
        detector,
        out_dir,
        name,
        ExportRequest(
            formats=arguments.formats,
            pictures=list(islice(pictures, arguments.num_images)),
            labelled=None if arguments.no_map else labelled,
            size=tuple(arguments.size) if arguments.size else None,
            options=ExportOptions(
                dynamic_batch=arguments.dynamic_batch,
                dynamic_size=arguments.dynamic_size,
                preprocess=arguments.preprocess,
            ),
            concat_free=arguments.concat_free,
            rounds=arguments.latency_rounds,
            threads=arguments.threads,
            tolerances=Tolerances(arguments.box_tolerance, arguments.score_tolerance),
        ),
    )
    print(f"\n{formats_table(card).markdown()}\n")
    print(f"written to {out_dir}; the whole card: {Path(out_dir) / CARD_PAGE}")
    if card.failures:
        raise ExportError(
            f"{len(card.failures)} tolerances were not kept: "
            f"{'; '.join(card.failures)}; see {CARD_PAGE}."
        )
