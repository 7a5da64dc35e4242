"""Time training steps of a config by batch size and precision; see --help."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

DESCRIPTION = """\
Time the training step (forward, loss, backward, optimizer) of a detector on random
pictures that are on the device already: what the network costs, without loading. Each
batch size and precision starts anew; medians of the steps after a third of them."""
EXAMPLES = """\
examples:
  python tools/benchmark_training.py configs/retinanet_ghostnet_coco.py \\
      --size 800 1344 --batch-sizes 2 16 --precisions fp32 tf32 fp16 bf16
  python tools/benchmark_training.py configs/gfl_ghostnet-nano_coco.py --size 320 320"""
PRECISIONS = ("fp32", "tf32", "fp16", "bf16")


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config", metavar="CONFIG", help="a name from ghostnet configs, or your file"
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(320, 320),
        metavar=("HEIGHT", "WIDTH"),
        help="of the images, in pixels (320 320)",
    )
    parser.add_argument(
        "--batch-sizes", type=int, nargs="+", default=[2], help="images of a step (2)"
    )
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        default=["fp32"],
        help="what is timed (fp32)",
    )
    parser.add_argument("--steps", type=int, default=12, help="of each (12)")
    return parser.parse_args(argv)


def step_seconds(arguments: argparse.Namespace, batch_size: int, kind: str) -> Any:
    """Return the median seconds of a step, and the most memory in GiB on a GPU."""
    import statistics
    import time

    import torch
    from mmdet.registry import MODELS
    from mmdet.testing import demo_mm_inputs

    from ghostnet_mm.configuration import Options, load_config
    from ghostnet_mm.configuration.data.detection_checks import class_counts

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = kind != "fp32"
    torch.backends.cudnn.allow_tf32 = kind != "fp32"
    cfg = load_config(arguments.config, Options(backbone_weights="none"))
    # Multi-scale training would change the size of the pictures.
    cfg.model.data_preprocessor.pop("batch_augments", None)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.to(device).train()
    shape = (3, *arguments.size)
    # The smallest head's, where a detector has several; mmdet's own number without any.
    num_classes = min((count for _, count in class_counts(cfg.model)), default=80)
    packed = demo_mm_inputs(
        batch_size,
        [shape] * batch_size,
        num_items=[8] * batch_size,
        num_classes=num_classes,
    )
    batch = model.data_preprocessor(packed, training=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    low = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(kind)
    scaler = torch.amp.GradScaler(device, enabled=kind == "fp16")
    seconds = []
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(arguments.steps):
        start = time.perf_counter()
        with torch.autocast(device, low, enabled=low is not None):
            loss, _ = model.parse_losses(model(**batch, mode="loss"))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    most = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None
    return statistics.median(seconds[len(seconds) // 3 :]), most


def rows(arguments: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    """Yield a row for each batch size and precision."""
    for batch_size in arguments.batch_sizes:
        for kind in arguments.precisions:
            seconds, most = step_seconds(arguments, batch_size, kind)
            yield (
                kind,
                batch_size,
                f"{batch_size / seconds:.1f}",
                f"{seconds * 1e3:.1f}",
                None if most is None else f"{most:.2f}",
            )


def print_table(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    import torch

    from ghostnet_mm.errors import OptionError
    from ghostnet_mm.measuring.machine import describe_machine
    from ghostnet_mm.reporting.tables import Table

    if min(*arguments.batch_sizes, *arguments.size, arguments.steps) < 1:
        raise OptionError("Give batch sizes, a size and steps of at least 1.")
    cuda = torch.cuda.is_available()
    print(torch.cuda.get_device_name() if cuda else describe_machine())
    columns = ("precision", "batch", "images/s", "ms", "peak memory (GiB)")
    print(Table.of(columns, rows(arguments)).markdown())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    arguments = parse_arguments(argv)
    from door import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.configuration.command_line import run_tool

    return run_tool(print_table, arguments)


if __name__ == "__main__":
    sys.exit(main())
