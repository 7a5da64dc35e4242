"""``ghostnet compare``: train several detectors under one recipe and compare them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .detector_options import add_size

if TYPE_CHECKING:
    from mmengine.config import Config

DESCRIPTION = """\
Train each CANDIDATE under one recipe, budget and list of seeds, and write a table, a
CSV of all runs and a plot of mAP (with its spread over seeds) against parameters, MACs
and measured latency. From a candidate's config only the model is taken; data,
augmentation, optimizer, schedule and hooks are the recipe's. All backbones start from
scratch unless a candidate names backbone_weights. Runs that have finished are kept: an
interrupted comparison goes on where it stopped, and a run that fails stops no other."""
EXAMPLES = """\
examples:
  ghostnet compare --data-root data/digits --out-dir work_dirs/families \\
      "V1=retinanet_ghostnet_digits" \\
      "V2=retinanet_ghostnet_digits model.backbone.type=GhostNetV2" \\
      --seeds 0 1 2
  ghostnet compare --data-root data/digits --out-dir work_dirs/heads \\
      gfl_ghostnet-nano_coco mmdet::yolox/yolox_nano_8xb8-300e_coco.py"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "candidates",
        nargs="+",
        metavar="CANDIDATE",
        help="[LABEL=]CONFIG [KEY=VALUE ...], in quotes if there is a blank; CONFIG "
        "may be one of an installed package, as in mmdet::yolox/FILE.py",
    )
    parser.add_argument(
        "--recipe",
        default="retinanet_ghostnet_digits",
        metavar="CONFIG",
        help="whose data, optimizer, schedule and hooks are used (%(default)s)",
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
        "--seeds", type=int, nargs="+", default=[0], help="one run each (0)"
    )
    parser.add_argument(
        "--epochs", type=int, help="the budget (default: that of the recipe)"
    )
    parser.add_argument(
        "--latency-rounds",
        type=int,
        default=30,
        help="timed forward passes of each candidate, alternating; 0: none (30)",
    )
    add_size(
        parser,
        "image size for the costs, in pixels (default: the recipe's test size)",
    )
    parser.add_argument(
        "--out-dir",
        required=True,
        metavar="DIR",
        help="for the runs, the table and the plot",
    )


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.comparison import compare, parse_candidate, write_report
    from ghostnet_mm.comparison.costs import measure_costs
    from ghostnet_mm.comparison.report import PLOT_NAME, TABLE_NAME
    from ghostnet_mm.comparison.shared_recipe import load_recipe
    from ghostnet_mm.errors import OptionError
    from ghostnet_mm.measuring.detector_complexity import test_size

    if arguments.latency_rounds < 0:
        raise OptionError("--latency-rounds cannot be negative; 0 leaves it out.")
    recipe = load_recipe(arguments.recipe, arguments.data_root, arguments.epochs)
    size = tuple(arguments.size) if arguments.size else test_size(recipe)
    found = compare(
        [parse_candidate(text) for text in arguments.candidates],
        recipe,
        arguments.data_root,
        arguments.seeds,
        arguments.out_dir,
    )
    failed = "; ".join(found.failed)
    if found.results:
        finished = {run.label: found.configs[run.label] for run in found.results}
        costs = measure_costs(finished, size, arguments.latency_rounds)
        notes = how_it_was_made(arguments, recipe, size)
        notes += [f"Failed and left out: {failed}."] if failed else []
        print("\n" + write_report(found.results, costs, arguments.out_dir, notes))
        print(f"written to {arguments.out_dir}: {TABLE_NAME}, {PLOT_NAME}")
    if failed:
        raise OptionError(
            f"{len(found.failed)} of {len(found.failed) + len(found.results)} runs "
            f"failed: {failed}; see above, correct the cause and repeat the command, "
            f"finished runs are kept."
        )


def how_it_was_made(
    arguments: argparse.Namespace, recipe: Config, size: tuple[int, int]
) -> list[str]:
    """Return the sentences below the table."""
    from ghostnet_mm.measuring.machine import describe_machine

    epochs = recipe.train_cfg.get("max_epochs", "-")
    notes = [
        f"Recipe {arguments.recipe}, {epochs} epochs, seeds "
        f"{' '.join(map(str, arguments.seeds))}; costs at {size[0]} x {size[1]} px in "
        f"the deployed form."
    ]
    if arguments.latency_rounds:
        notes.append(
            f"Latency: median of {arguments.latency_rounds} alternating forward passes "
            f"in eager PyTorch, batch 1, without decoding and NMS; "
            f"{describe_machine()}."
        )
    return notes
