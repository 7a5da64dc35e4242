"""``ghostnet benchmark``: time configs, checkpoints and exported files side by side."""

import argparse

from .detector_options import add_size

DESCRIPTION = """\
Time any mix of detectors in turns, one call of each per round: configs (with random
weights), checkpoints of ghostnet train, and exported files in their own runtimes.
Prints medians, the 90th percentile, the spread (interquartile range) and images per
second; --out-dir also gets a CSV of every call, a plot, and with --map a plot of mAP
against latency."""
EXAMPLES = """\
examples:
  ghostnet benchmark retinanet_ghostnet_coco --scope network
  ghostnet benchmark eager=work_dirs/digits/epoch_5.pth \\
      "fused=work_dirs/digits/epoch_5.pth form=deploy" onnx=exported/digits.onnx \\
      --threads 2 --images data/digits/val2017 --out-dir work_dirs/speed
  ghostnet benchmark YOLOX=mmdet::yolox/yolox_nano_8xb8-300e_coco.py \\
      "V2=retinanet_ghostnet_coco model.backbone.type=GhostNetV2" \\
      --size 320 320 --scope network --map V2=0.29 YOLOX=0.258 --out-dir speed"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "candidates",
        nargs="+",
        metavar="CANDIDATE",
        help="[LABEL=]FILE [checkpoint=FILE] [form=deploy] [KEY=VALUE ...], in quotes "
        "if there is a blank; FILE is a config (mmdet::yolox/FILE.py for one of an "
        "installed package), a checkpoint, or an exported model; KEY=VALUE changes "
        "the config",
    )
    parser.add_argument(
        "--scope",
        default="both",
        choices=("network", "end-to-end", "both"),
        help="the forward pass alone, from picture in memory to boxes, or %(default)s",
    )
    parser.add_argument(
        "--threads", type=int, help="of every runtime (default: PyTorch's number)"
    )
    parser.add_argument("--batch", type=int, default=1, help="images per call (1)")
    add_size(parser, "input of the network in pixels (default: each one's test size)")
    parser.add_argument(
        "--rounds", type=int, default=50, help="timed calls of each candidate (50)"
    )
    parser.add_argument(
        "--images", metavar="DIR", help="real pictures (default: synthetic ones)"
    )
    parser.add_argument(
        "--device", default="cpu", help="of eager PyTorch, such as cuda (cpu)"
    )
    parser.add_argument(
        "--map",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="scores for the mAP-latency plot: LABEL=0.29, the JSON of a deploy card, "
        "or the runs.csv of ghostnet compare",
    )
    parser.add_argument(
        "--one-process",
        action="store_true",
        help="time all in one process, where threads of one runtime may disturb the "
        "next (default: a process each)",
    )
    parser.add_argument("--out-dir", metavar="DIR", help="for table, CSV and plots")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.benchmarking import (
        Benchmark,
        BenchmarkCandidate,
        BenchmarkSettings,
        collect_scores,
        load_pictures,
        run_benchmark,
        write_benchmark,
    )

    settings = BenchmarkSettings(
        arguments.scope,
        arguments.threads,
        arguments.batch,
        tuple(arguments.size) if arguments.size else None,
        arguments.rounds,
        arguments.device,
        isolated=not arguments.one_process,
    )
    candidates = [BenchmarkCandidate.parse(text) for text in arguments.candidates]
    scores = collect_scores(arguments.map, candidates)
    pictures = load_pictures(arguments.images)
    height, width = pictures[0].shape[:2]
    which = f"{len(pictures)} pictures of {arguments.images or 'synthetic patches'}"
    which += f", the first of {height} x {width} pixels"

    def write(measured: Benchmark) -> str:
        return write_benchmark(measured, settings, which, arguments.out_dir, scores)

    done = run_benchmark(candidates, settings, pictures, after_scope=write)
    print("\n" + write(done))
    if arguments.out_dir:
        print(f"written to {arguments.out_dir}")
    if done.was_interrupted:
        raise KeyboardInterrupt
