"""One run per candidate and seed, each in a process of its own; finished ones stay."""

import functools
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ghostnet_runtime.atomic_writing import write_text
from ghostnet_runtime.status_line import plain_duration
from mmengine.config import Config

from ..configuration.command_line import run_tool
from ..configuration.console import tell
from ..configuration.data.checks import check_data
from ..configuration.files.reading import read_config
from ..configuration.options import Folders
from ..engine.run import run_training
from ..errors import OptionError
from ..reporting.records import Record
from .compared_detectors import ComparedDetector, refuse_doubles
from .shared_recipe import candidate_config


@dataclass(frozen=True)
class RunResult(Record):
    """What one training came to.

    Attributes:
        label: The candidate.
        seed: The seed of weights, order and augmentation.
        metrics: The last validation's scores, by mmdet's names.
        seconds: How long training and evaluation took.
    """

    KIND: ClassVar = ("result of a run", "delete it to train the run again")

    label: str
    seed: int
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """What the runs of a comparison came to.

    Attributes:
        configs: By label.
        results: Of the runs that finished, in the order of candidates and seeds.
        failed: Label and seed of the others, as they are told.
    """

    configs: Mapping[str, Config]
    results: Sequence[RunResult]
    failed: Sequence[str]


def compare(
    candidates: Sequence[ComparedDetector],
    recipe: Config,
    data_root: Folders,
    seeds: Sequence[int],
    out_dir: str | Path,
) -> Comparison:
    """Train every candidate with every seed.

    A run that has finished with the same config is not repeated, so that an
    interrupted comparison goes on where it stopped. A run that fails is told, and the
    others go on.

    Args:
        candidates: What to train.
        recipe: What gives data, optimizer, schedule and hooks, as `load_recipe`
            returns it.
        data_root: The folder or folders, in any format that training reads.
        seeds: One run each.
        out_dir: Gets ``<label>/seed-<n>/`` for each run.

    Raises:
        UserError: Anything that makes a run impossible; all configs are checked first.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise OptionError("--seeds needs different whole numbers, such as 0 1 2.")
    refuse_doubles(candidates)
    configs = {
        candidate.label: candidate_config(recipe, candidate, data_root)
        for candidate in candidates
    }
    plan = []
    for candidate in candidates:
        check_data(configs[candidate.label], ("train", "val"))
        for seed in seeds:
            folder = Path(out_dir) / candidate.folder / f"seed-{seed}"
            cfg = configs[candidate.label].copy()
            cfg.work_dir = str(folder)
            cfg.randomness = dict(seed=seed)
            plan.append(_PlannedRun(candidate.label, seed, cfg, folder))
    missing = [run for run in plan if run.result() is None]
    failed: list[str] = []
    spent: list[float] = []
    for index, run in enumerate(plan):
        place = f"[{index + 1}/{len(plan)}] {run.name}"
        if run not in missing:
            tell(f"{place}: finished")
            continue
        mean = sum(spent) / len(spent) if spent else 0
        left = plain_duration(mean * (len(missing) - len(spent) - len(failed)))
        tell(f"\n{place}" + (f", about {left} left" if spent else ""))
        status = run.train()
        result = run.result()
        if result is not None:
            spent.append(result.seconds)
            continue
        failed.append(run.name)
        tell(f"{run.name} failed with status {status}, see above; the others go on")
    results = [result for run in plan if (result := run.result())]
    return Comparison(configs, results, failed)


@dataclass(frozen=True, eq=False)
class _PlannedRun:
    label: str
    seed: int
    cfg: Config
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.label}, seed {self.seed}"

    @functools.cached_property
    def _text(self) -> str:
        return self.cfg.pretty_text  # which takes a while

    @property
    def config_file(self) -> Path:
        # Not inside: the runner writes there what it makes of a config of this name.
        parent = self.folder.parent
        return parent / f"{parent.name}_{self.folder.name}.py"

    @property
    def result_file(self) -> Path:
        return self.folder / "result.json"

    def result(self) -> RunResult | None:
        """Return what the run came to, if it has finished.

        Raises:
            OptionError: Another config was run in its folder.
        """
        if not self.result_file.is_file():
            return None
        if not self._is_of_this_config():
            raise OptionError(
                f"{self.folder} holds a run of another config; give --out-dir another "
                f"folder, or delete this one."
            )
        return RunResult.read(self.result_file)

    def _is_of_this_config(self) -> bool:
        try:
            stored = self.config_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return False
        return stored == self._text

    def train(self) -> int | None:
        """Train, or go on where a run of this config was interrupted.

        Returns:
            The exit status of the process.
        """
        goes_on = self._is_of_this_config()
        if not goes_on:
            write_text(self.config_file, self._text)
        # mmengine keeps state per process: loggers, message hubs, visualizers.
        process = multiprocessing.get_context("spawn").Process(
            target=_run_process,
            args=(
                *(self.label, self.seed, goes_on),
                *(str(self.config_file), str(self.result_file)),
            ),
        )
        process.start()
        process.join()
        return process.exitcode


def _run_process(*arguments: object) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(run_tool(_train, *arguments))


def _end_with_parent() -> None:
    """Let no training go on whose comparison was killed: it may be started again."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _train(
    label: str, seed: int, goes_on: bool, config_file: str, result_file: str
) -> None:
    started = time.monotonic()
    cfg = read_config(config_file)
    # From the newest whole checkpoint; the run starts anew where there is none.
    cfg.resume = goes_on
    metrics = run_training(cfg).last_scores
    numbers = {name: float(value) for name, value in metrics.items()}
    RunResult(label, seed, numbers, time.monotonic() - started).write_json(result_file)
