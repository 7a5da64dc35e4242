"""One run per candidate and seed, each in a process of its own; finished ones stay."""

import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ghostnet_runtime.status_line import plain_duration
from mmengine.config import Config

from ..configuration.command_line import run_tool
from ..configuration.console import tell
from ..configuration.data.checks import check_data
from ..configuration.files.reading import read_config
from ..engine.run import run_training
from ..errors import OptionError
from .candidates import Candidate, refuse_doubles
from .shared_recipe import candidate_config

RESULT_NAME = "result.json"


@dataclass(frozen=True)
class RunResult:
    """What one training came to.

    Attributes:
        label: The candidate.
        seed: The seed of weights, order and augmentation.
        metrics: The last validation's scores, by mmdet's names.
        seconds: How long training and evaluation took.
    """

    label: str
    seed: int
    metrics: dict[str, float]
    seconds: float


def compare(
    candidates: Sequence[Candidate],
    recipe: Config,
    data_root: str,
    seeds: Sequence[int],
    out_dir: str | Path,
) -> tuple[dict[str, Config], list[RunResult]]:
    """Train every candidate with every seed.

    A run that has finished with the same config is not repeated, so that an
    interrupted comparison goes on where it stopped.

    Args:
        candidates: What to train.
        recipe: What gives data, optimizer, schedule and hooks, as `load_recipe`
            returns it.
        data_root: A folder in COCO layout.
        seeds: One run each.
        out_dir: Gets ``<label>/seed-<n>/`` for each run.

    Returns:
        The configs by label, and the results in the order of candidates and seeds.

    Raises:
        UserError: Anything that makes a run impossible; all configs are checked first.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise OptionError("--seeds needs different whole numbers, such as 0 1 2.")
    refuse_doubles(candidates)
    configs = {
        one.label: candidate_config(recipe, one, data_root) for one in candidates
    }
    plan = []
    for candidate in candidates:
        check_data(configs[candidate.label], ("train", "val"))
        for seed in seeds:
            folder = Path(out_dir) / candidate.folder / f"seed-{seed}"
            cfg = configs[candidate.label].copy()
            cfg.work_dir = str(folder)
            cfg.randomness = dict(seed=seed)
            plan.append((candidate.label, seed, cfg, folder, _finished(folder, cfg)))
    results, spent = [], []
    for index, (label, seed, cfg, folder, result) in enumerate(plan):
        place = f"[{index + 1}/{len(plan)}] {label}, seed {seed}"
        if result is None:
            left = ""
            if spent:
                missing = sum(one[-1] is None for one in plan[index:])
                mean = sum(spent) / len(spent)
                left = f", about {plain_duration(mean * missing)} left"
            tell(f"\n{place}{left}")
            result = _run(label, seed, cfg, folder)
            spent.append(result.seconds)
        else:
            tell(f"{place}: finished")
        results.append(result)
    return configs, results


def _finished(folder: Path, cfg: Config) -> RunResult | None:
    """Return the result of a run that has finished in ``folder``, if any.

    Raises:
        OptionError: Another config was run there.
    """
    file = folder / RESULT_NAME
    if not file.is_file():
        return None
    if _config_file(folder).read_text(encoding="utf-8") != cfg.pretty_text:
        raise OptionError(
            f"{folder} holds a run of another config; give --out-dir another folder, "
            f"or delete this one."
        )
    return RunResult(**json.loads(file.read_text(encoding="utf-8")))


def _config_file(folder: Path) -> Path:
    # Not inside: the runner writes there what it makes of a config of this name.
    return folder.parent / f"{folder.parent.name}_{folder.name}.py"


def _run(label: str, seed: int, cfg: Config, folder: Path) -> RunResult:
    folder.mkdir(parents=True, exist_ok=True)
    config_file = _config_file(folder)
    config_file.write_text(cfg.pretty_text, encoding="utf-8")
    metrics_file = folder / "metrics.json"
    metrics_file.unlink(missing_ok=True)
    started = time.monotonic()
    # mmengine keeps state per process: loggers, message hubs, visualizers.
    process = multiprocessing.get_context("spawn").Process(
        target=_train, args=(str(config_file), str(metrics_file))
    )
    process.start()
    process.join()
    if process.exitcode or not metrics_file.is_file():
        raise OptionError(
            f"The training of {label!r} with seed {seed} failed, see above; correct "
            f"the cause and repeat the command, finished runs are kept."
        )
    result = RunResult(
        label, seed, json.loads(metrics_file.read_text()), time.monotonic() - started
    )
    (folder / RESULT_NAME).write_text(json.dumps(asdict(result), indent=1))
    return result


def _train(config_file: str, metrics_file: str) -> None:
    sys.exit(run_tool(_train_and_save, config_file, metrics_file))


def _train_and_save(config_file: str, metrics_file: str) -> None:
    cfg = read_config(config_file)
    metrics = run_training(cfg)
    numbers = {key: float(value) for key, value in metrics.items()}
    Path(metrics_file).write_text(json.dumps(numbers), encoding="utf-8")
