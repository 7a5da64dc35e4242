"""Time our backbones beside timm's blocks, alternating in one process; see --help."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

DESCRIPTION = """\
Time the eval forward pass of each backbone, and the training step (forward, loss,
backward, optimizer) of retinanet_ghostnet_coco.py, beside the same with timm's own
blocks stepped to the same taps. Both sides have the same weights and inputs, run
alternately in one process after a warm-up, and are reported by their medians. Ratios
above 1 mean that ours is faster, or needs less memory."""
EXAMPLES = """\
examples:
  python tools/benchmark_against_timm.py
  python tools/benchmark_against_timm.py --size 320 --rounds 20 --only training"""
CONFIG = str(
    Path(__file__).resolve().parents[1] / "configs" / "retinanet_ghostnet_coco.py"
)
EVAL_VARIANTS = (
    *("ghostnet_050", "ghostnet_100", "ghostnet_130"),
    *("ghostnetv2_100", "ghostnetv3_100"),
)


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", type=int, default=320, help="image side (320)")
    parser.add_argument("--batch-size", type=int, default=2, help="for training (2)")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds (15)")
    parser.add_argument("--only", choices=["eval", "training"], help="default: both")
    return parser.parse_args(argv)


def alternate(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """Return the median milliseconds of both sides and the median of their ratios."""
    from statistics import median

    from ghostnet_mm.measuring.latency import alternating_times, paired_ratios

    # Each is settled before it is timed: whoever runs second finds no warmer caches.
    times = alternating_times(dict(ours=ours, theirs=theirs), rounds, settling=1)
    gain = paired_ratios(times["theirs"], times["ours"])
    return median(times["ours"]), median(times["theirs"]), gain.median


def benchmark_eval(arguments: argparse.Namespace) -> None:
    """Print the table of the eval forward passes, one image at a time."""
    import torch
    from mmdet.registry import MODELS
    from timm_taps import VARIANTS, TimmTaps, randomize_norms

    from ghostnet_mm.reporting.tables import Table

    print(f"eval forward, 1 image of {arguments.size} px, {arguments.rounds} rounds")
    image = torch.randn(1, 3, arguments.size, arguments.size)
    rows = []
    for name, family, width in VARIANTS:
        if name not in EVAL_VARIANTS:
            continue
        theirs = randomize_norms(TimmTaps(name)).eval()
        ours = MODELS.build(dict(type=family, widen_factor=width)).eval()
        ours.load_state_dict(theirs.state_dict())
        with torch.no_grad():
            found = alternate(
                partial(ours, image), partial(theirs, image), arguments.rounds
            )
        rows.append((name, *(f"{number:.2f}" for number in found)))
        print(f"timed {name}", file=sys.stderr)
    columns = ("backbone", "ours (ms)", "timm (ms)", "ratio")
    print(Table.of(columns, rows).markdown())


def training_step(backbone_name: str | None, arguments: argparse.Namespace) -> Callable:
    """Build the detector of the config and return its training step.

    Args:
        backbone_name: timm's name to put timm's blocks in, ``None`` for ours.
        arguments: Size and batch size.
    """
    import torch
    from mmdet.registry import MODELS
    from mmdet.testing import demo_mm_inputs
    from mmengine.config import Config
    from mmengine.optim import build_optim_wrapper
    from timm_taps import TimmTaps

    torch.manual_seed(0)
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.init_cfg = None
    detector = MODELS.build(cfg.model)
    if backbone_name is not None:
        kept = detector.backbone
        detector.backbone = TimmTaps(
            backbone_name, out_indices=kept.out_indices, norm_eval=kept.norm_eval
        )
        detector.backbone.load_state_dict(kept.state_dict())
    optimizer = build_optim_wrapper(detector, cfg.optim_wrapper)
    # So small that both sides stay comparable for the whole run.
    for group in optimizer.param_groups:
        group["lr"] = 1e-6
    detector.train()
    shape = (3, arguments.size, arguments.size)
    batch = demo_mm_inputs(arguments.batch_size, [shape] * arguments.batch_size)
    return lambda: detector.train_step(batch, optimizer)


def peak_bytes(step: Callable[[], object]) -> int:
    """Return how far one step raises the memory that tensors hold."""
    import torch

    with torch.profiler.profile(profile_memory=True) as profile:
        step()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def benchmark_training(arguments: argparse.Namespace) -> None:
    """Print the table of the training step."""
    from ghostnet_mm.reporting.tables import Table

    ours = training_step(None, arguments)
    theirs = training_step("ghostnet_100", arguments)
    *times, ratio = alternate(ours, theirs, arguments.rounds)
    speeds = (f"{arguments.batch_size * 1e3 / time:.2f}" for time in times)
    memory = peak_bytes(ours), peak_bytes(theirs)
    megabytes = (f"{held / 1e6:.0f}" for held in memory)
    print(
        f"training step of {CONFIG}, {arguments.batch_size} images of "
        f"{arguments.size} px, {arguments.rounds} rounds"
    )
    rows = [
        ("images/s", *speeds, f"{ratio:.2f}"),
        ("peak memory (MB)", *megabytes, f"{memory[1] / memory[0]:.2f}"),
    ]
    print(Table.of(("", "ours", "timm", "ratio"), rows).markdown())


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables and return the exit status."""
    arguments = parse_arguments(argv)
    from door import exit_unless_installed

    exit_unless_installed()
    import timm
    import torch
    from mmdet.utils import register_all_modules

    import ghostnet_mm  # noqa: F401

    register_all_modules()
    print(
        f"torch {torch.__version__}, timm {timm.__version__}, "
        f"{torch.get_num_threads()} threads"
    )
    if arguments.only != "training":
        benchmark_eval(arguments)
    if arguments.only != "eval":
        benchmark_training(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
