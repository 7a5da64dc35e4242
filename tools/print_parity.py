"""Print how far each backbone's maps are from timm's, with parameters and MACs."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

DESCRIPTION = """\
Load timm's randomly initialized weights, with randomized norm statistics, into our
backbones and compare the maps at strides 4, 8, 16 and 32, in float32 and channels-last
memory on both sides. Exits with status 1 when a difference exceeds the tolerance."""
EXAMPLES = "example:\n  python tools/print_parity.py --size 320"


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--size", type=int, default=224, help="image side for the maps (default: 224)"
    )
    parser.add_argument(
        "--tolerance", type=float, default=1e-5, help="largest difference (1e-5)"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table and return the exit status."""
    arguments = parse_arguments(argv)
    from door import exit_unless_installed

    exit_unless_installed()
    import torch
    from mmdet.registry import MODELS
    from timm_taps import VARIANTS, TimmTaps, randomize_norms

    import ghostnet_mm  # noqa: F401
    from ghostnet_mm.measuring.complexity import measure_complexity
    from ghostnet_mm.reporting.tables import Table

    torch.manual_seed(0)
    # Ours works in channels-last on the CPU; in another layout timm's convolutions run
    # other kernels, which round differently.
    image = torch.randn(2, 3, arguments.size, arguments.size)
    image = image.contiguous(memory_format=torch.channels_last)
    small = torch.zeros(1, 3, 224, 224, device="meta")
    rows, worst = [], 0.0
    for name, family, width in VARIANTS:
        theirs = randomize_norms(TimmTaps(name)).eval()
        ours = MODELS.build(dict(type=family, widen_factor=width)).eval()
        ours.load_state_dict(theirs.state_dict(), strict=True)
        with torch.no_grad():
            pairs = zip(ours(image), theirs(image), strict=True)
            differences = [float((a - b).abs().max()) for a, b in pairs]
        worst = max(worst, *differences)
        total = measure_complexity(ours.to("meta"), partial(ours, small), {})[-1]
        costs = f"{total.parameters:,}", f"{total.macs / 1e6:.2f}"
        rows.append((name, *(f"{gap:.1e}" for gap in differences), *costs))
        print(f"compared {name}", file=sys.stderr)
    strides = (f"stride {stride}" for stride in (4, 8, 16, 32))
    columns = ("variant", *strides, "params", "MACs at 224 px (M)")
    print(Table.of(columns, rows).markdown())
    verdict = "within" if worst <= arguments.tolerance else "ABOVE"
    print(f"largest difference {worst:.1e}, {verdict} {arguments.tolerance:.0e}")
    return 0 if worst <= arguments.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
