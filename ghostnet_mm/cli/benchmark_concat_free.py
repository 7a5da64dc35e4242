"""``ghostnet benchmark-concat-free``: Ghost blocks with and without concatenation."""

import argparse

DESCRIPTION = """\
Time every Ghost bottleneck of a backbone in deploy form, and the whole backbone, beside
the exact form without concatenation, in eager PyTorch, ONNX Runtime and OpenVINO:
float32, one image, in turns after a warm-up. A cell has the medians with and without
concatenation and the median ratio with its quartiles; above 1 the concat-free form is
faster. The last row rewrites only the blocks that three rounds of four found faster."""
EXAMPLES = """\
examples:
  ghostnet benchmark-concat-free
  ghostnet benchmark-concat-free --family GhostNetV2 --size 416 --threads 4
  ghostnet benchmark-concat-free --runtimes openvino --rounds 200"""
FAMILIES = ("GhostNet", "GhostNetV2", "GhostNetV3")
RUNTIMES = ("torch", "onnxruntime", "openvino")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "--family",
        choices=FAMILIES,
        default=FAMILIES[0],
        help="the backbone (%(default)s)",
    )
    parser.add_argument("--width", type=float, default=1.0, help="widen_factor (1.0)")
    parser.add_argument("--size", type=int, default=320, help="image side (320)")
    parser.add_argument("--threads", type=int, default=2, help="of every runtime (2)")
    parser.add_argument("--rounds", type=int, default=50, help="timed rounds (50)")
    parser.add_argument(
        "--runtimes",
        nargs="+",
        choices=RUNTIMES,
        default=RUNTIMES,
        help="where to time (all)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    import torch
    from mmdet.registry import MODELS

    from ghostnet_mm.errors import OptionError
    from ghostnet_mm.export import concat_free_timing as timing
    from ghostnet_mm.fusion.deploy_form import deploy_form

    if min(arguments.size, arguments.rounds, arguments.threads) < 1:
        raise OptionError("Give a size, rounds and threads of at least 1.")
    torch.manual_seed(0)
    cfg = dict(type=arguments.family, widen_factor=arguments.width)
    deployed = deploy_form(MODELS.build(cfg))
    image = torch.rand(1, 3, arguments.size, arguments.size)
    how = (arguments.rounds, arguments.threads)
    rows, notes = [], []
    for runtime in arguments.runtimes:
        blocks = list(timing.time_blocks(deployed, image, runtime, *how))
        faster = [block.name for block in blocks if block.gain.is_sure]
        rows += [*blocks, timing.time_network(deployed, image, runtime, *how)]
        if faster:
            rows.append(timing.time_network(deployed, image, runtime, *how, faster))
        names = f": {', '.join(faster)}" if faster else ""
        notes.append(f"{runtime}: {len(faster)} of {len(blocks)} faster{names}")
    print(
        f"{arguments.family} {arguments.width:g}x, {arguments.size} px, "
        f"{arguments.threads} threads, {arguments.rounds} rounds, "
        f"torch {torch.__version__}; with -> without concatenation\n"
    )
    print(timing.timings_table(rows).markdown(), "", *notes, sep="\n")
