"""``ghostnet try-configs``: build, train and run every config on real pictures."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ghostnet_mm.model_zoo.config_trial import Trial

DESCRIPTION = """\
For each CONFIG (by default all of configs/): build the model, train two steps of two
real pictures, predict on two more, and print parameters and multiply-accumulates at
the size of configs/metafile.yml. Ends with status 2 if one of them fails."""
EXAMPLES = """\
examples:
  ghostnet try-configs --data-root data/coco
  ghostnet try-configs yolox_ghostnet_coco --data-root data/coco \\
      --size 256"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "configs", nargs="*", metavar="CONFIG", help="default: all of configs/"
    )
    parser.add_argument(
        "--data-root", required=True, metavar="DIR", help="a folder in COCO layout"
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="scale each config's image sizes to at most this (default: as they are)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    import time
    import traceback
    from pathlib import Path

    from ghostnet_mm.configuration.files.reading import find_config
    from ghostnet_mm.errors import OptionError, UserError
    from ghostnet_mm.model_zoo import read_metafile
    from ghostnet_mm.model_zoo.config_trial import try_config
    from ghostnet_mm.shipped_configs import shipped_root

    root = shipped_root()
    entries = {Path(one["Config"]).name: one for one in read_metafile(root).models}
    paths = arguments.configs or sorted((root / "configs").glob("*.py"))
    failed, notices = [], []
    print(
        "| config | params (M) | GMACs | losses of two steps | predictions | seconds |"
    )
    print("|---|---:|---:|---|---:|---:|", flush=True)
    for path in map(find_config, paths):
        started = time.monotonic()
        try:
            trial = try_config(path, arguments.data_root, arguments.size)
            with contextlib.redirect_stdout(io.StringIO()) as said:
                costs = _costs(entries.get(path.name), root)
            notices += [f"{path.name}: {line}" for line in said.getvalue().splitlines()]
            _check(trial)
        except Exception as error:
            # The others are still worth a look; this one's traceback goes to stderr.
            if not isinstance(error, UserError):
                traceback.print_exc()
            failed.append(path.name)
            print(f"| {path.name} | failed: {error} | | | | |", flush=True)
            continue
        losses = ", ".join(f"{loss:.3f}" for loss in trial.losses)
        print(
            f"| {path.name} | {costs[0]} | {costs[1]} | {losses} "
            f"| {trial.num_predictions} | {time.monotonic() - started:.0f} s |",
            flush=True,
        )
    # Not between the rows: what loading the configs said would break the table.
    for notice in notices:
        print(notice, file=sys.stderr)
    if failed:
        raise OptionError(f"{len(failed)} configs failed: {', '.join(failed)}.")


def _costs(entry: dict | None, root: Path) -> tuple[str, str]:
    from ghostnet_mm.model_zoo.measuring import count

    if entry is None:
        return "-", "-"
    parameters, macs = count(entry, root)
    return f"{parameters / 1e6:.2f}", f"{macs / 1e9:.3f}"


def _check(trial: Trial) -> None:
    from ghostnet_mm.errors import OptionError

    if trial.without_gradient:
        names = ", ".join(trial.without_gradient[:3])
        raise OptionError(f"no gradient reaches {names}")
    if not all(map(math.isfinite, trial.losses)):
        raise OptionError(f"a loss is not finite: {trial.losses}")
