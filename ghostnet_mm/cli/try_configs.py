"""``ghostnet try-configs``: build, train and run every config on real pictures."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION = """\
For each CONFIG (by default all of configs/): build the model, train two steps of two
real pictures, predict on two more, and print parameters and multiply-accumulates at
the size of configs/metafile.yml. Ends with status 2 if one of them fails."""
EXAMPLES = """\
examples:
  ghostnet try-configs --data-root data/coco
  ghostnet try-configs yolox_ghostnet_coco --data-root data/coco \\
      --size 256"""
COLUMNS = (
    *("config", "params (M)", "GMACs", "losses of two steps", "predictions"),
    "seconds",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "configs", nargs="*", metavar="CONFIG", help="default: all of configs/"
    )
    parser.add_argument(
        "--data-root",
        required=True,
        action="append",
        metavar="DIR",
        help="your folder, in any format that train reads; repeated for several, which "
        "are joined by the names of their classes",
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="scale each config's image sizes to at most this (default: as they are)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    import traceback
    from pathlib import Path

    from ghostnet_mm.configuration.files.reading import find_config
    from ghostnet_mm.errors import OptionError, UserError
    from ghostnet_mm.model_zoo import read_metafile
    from ghostnet_mm.reporting.tables import Table
    from ghostnet_mm.shipped_configs import shipped_root

    root = shipped_root()
    entries = {
        Path(model["Config"]).name: model for model in read_metafile(root).models
    }
    shipped = sorted((root / "configs").glob("*.py"))
    paths = list(map(find_config, arguments.configs)) or shipped
    failed: list[str] = []
    rows: list[tuple[str | None, ...]] = []
    try:
        for index, path in enumerate(paths, start=1):
            print(f"[{index}/{len(paths)}] {path.name}", file=sys.stderr)
            try:
                cells = _tried(path, entries.get(path.name), root, arguments)
            except Exception as error:
                # The others are still worth a look.
                if isinstance(error, UserError):
                    print(f"failed: {error}", file=sys.stderr)
                else:
                    traceback.print_exc()
                failed.append(path.name)
                cells = (None, None, "failed", None, None)
            rows.append((path.name, *cells))
    finally:
        # What was tried before an interruption is worth a look too.
        print(Table.of(COLUMNS, rows).markdown(), flush=True)
    if failed:
        raise OptionError(f"{len(failed)} configs failed: {', '.join(failed)}.")


def _tried(
    path: Path, entry: dict | None, root: Path, arguments: argparse.Namespace
) -> tuple[str | None, ...]:
    """Return the cells of a config that can be trained."""
    from ghostnet_mm.errors import OptionError
    from ghostnet_mm.model_zoo.config_trial import try_config
    from ghostnet_mm.model_zoo.measuring import count

    started = time.monotonic()
    costs: tuple[str | None, ...] = (None, None)
    # What loading the config says goes to stderr: the table has stdout for itself.
    with contextlib.redirect_stdout(sys.stderr):
        trial = try_config(path, arguments.data_root, arguments.size)
        if entry is not None:
            parameters, macs = count(entry, root)
            costs = (f"{parameters / 1e6:.2f}", f"{macs / 1e9:.3f}")
    if trial.without_gradient:
        names = ", ".join(trial.without_gradient[:3])
        raise OptionError(f"no gradient reaches {names}")
    if not all(map(math.isfinite, trial.losses)):
        raise OptionError(f"a loss is not finite: {trial.losses}")
    losses = ", ".join(f"{loss:.3f}" for loss in trial.losses)
    seconds = f"{time.monotonic() - started:.0f}"
    return (*costs, losses, str(trial.num_predictions), seconds)
