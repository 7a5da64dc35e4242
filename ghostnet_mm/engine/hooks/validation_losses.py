"""The losses of the validation pictures, which mmdet 3 does not compute."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import DATASETS, HOOKS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from ...configuration.console import tell
from ...datasets.wrappers import inner_datasets
from ...evaluation.without_prints import without_prints

MOST_PICTURES = 200
PREFIX = "val_"


def validation_losses(runner: Runner) -> dict[str, float]:
    """Return the losses of the last validation by name, such as ``val_loss``."""
    kept = runner.message_hub.log_scalars
    names = [name for name in kept if name.startswith(f"val/{PREFIX}loss")]
    return {name[len("val/") :]: float(kept[name].current()) for name in names}


@HOOKS.register_module()
class ValidationLosses(Hook):
    """Computes the training's losses on validation pictures, after each validation.

    The pictures are those with objects, at most ``pictures`` of them, evenly spaced
    over the split, and pass the test pipeline, unaugmented; norms use their running
    statistics. The log, the curves and TensorBoard have them as ``val_loss``,
    ``val_loss_cls`` and so on. The random numbers of the training are left as they
    were. Of a model that cannot compute them this way it says so once.

    Args:
        pictures: How many at most; 0 to compute none.
    """

    # Before the hook that takes averaged weights out again, and those that write.
    priority = "VERY_HIGH"

    def __init__(self, pictures: int = MOST_PICTURES):
        self._most = pictures
        self._loader: DataLoader | None = None

    def after_val_epoch(
        self, runner: Runner, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Compute the losses and put them beside the scores."""
        if not self._most:
            return
        try:
            with _same_random_numbers():
                losses = self._losses(runner)
        except Exception as error:
            # Not every head's loss can do without its training; the scores stand.
            self._most = 0
            runner.logger.info("No validation losses: %r", error)
            tell(f"no losses of the validation pictures ({type(error).__name__})")
            return
        hub = runner.message_hub
        for name, value in losses.items():
            # mmengine logs the mean of the last ten of whatever has "loss" in its name.
            hub.log_scalars.pop(f"val/{PREFIX}{name}", None)
            hub.update_scalar(f"val/{PREFIX}{name}", value)

    def _losses(self, runner: Runner) -> dict[str, float]:
        if self._loader is None:
            self._loader = _loader(runner, self._most)
        if self._loader is None:
            self._most = 0
            return {}
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        with _as_before(model), torch.no_grad():
            parts = [_of_batch(model, batch) for batch in self._loader]
        parts = [part for several in all_gather_object(parts) for part in several]
        total = sum(count for count, _ in parts)
        names = parts[0][1]
        return {
            name: sum(count * losses[name] for count, losses in parts) / total
            for name in names
        }


def _of_batch(model: Any, batch: Any) -> tuple[int, dict[str, float]]:
    preprocessor = model.data_preprocessor
    augments = preprocessor.batch_augments
    preprocessor.batch_augments = None
    try:
        # As for training: masks get the padding of their pictures.
        data = preprocessor(batch, training=True)
    finally:
        preprocessor.batch_augments = augments
    losses = model(**data, mode="loss")
    _, values = model.parse_losses(losses)
    numbers = {name: float(value) for name, value in values.items() if "loss" in name}
    return len(data["data_samples"]), numbers


def _loader(runner: Runner, most: int) -> DataLoader | None:
    settings = copy.deepcopy(runner.cfg.val_dataloader)
    steps = _loading_steps(runner.cfg)
    for _, inner in inner_datasets(settings["dataset"]):
        inner["pipeline"] = _annotated_first(inner["pipeline"], steps)
    with without_prints():
        dataset = DATASETS.build(settings["dataset"])
    labelled = [i for i in range(len(dataset)) if dataset.get_data_info(i)["instances"]]
    chosen = np.linspace(0, len(labelled) - 1, min(most, len(labelled))).astype(int)
    # Losses are averaged over the processes inside the heads: all need as many batches.
    world = get_world_size()
    usable = len(chosen) // world * world
    if not usable:
        return None
    mine = [labelled[i] for i in chosen[get_rank() : usable : world]]
    settings.update(dataset=dataset, sampler=mine, persistent_workers=False)
    settings.pop("batch_sampler", None)
    return runner.build_dataloader(settings)


def _loading_steps(cfg: Config) -> list[dict[str, Any]]:
    """Return the training's steps that load annotations."""
    for _, inner in inner_datasets(cfg.train_dataloader["dataset"]):
        steps = [dict(step) for step in inner.get("pipeline", ()) if _loads(step)]
        if steps:
            return steps
    raise ValueError("the training pipeline loads no annotations")


def _annotated_first(
    pipeline: list[dict[str, Any]], steps: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return a test pipeline that loads annotations before it resizes anything.

    mmdet's own load them at the end, in the pixels of the file.
    """
    rest = [step for step in pipeline if not _loads(step)]
    return [rest[0], *copy.deepcopy(steps), *rest[1:]]


def _loads(step: Mapping[str, Any]) -> bool:
    kind = str(step["type"]).rpartition(".")[2]
    return kind.startswith("Load") and kind.endswith("Annotations")


@contextmanager
def _as_before(model: nn.Module) -> Iterator[None]:
    """Leave a model's buffers and modes as they are now; inside, it evaluates."""
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    modes = {name: module.training for name, module in model.named_modules()}
    model.eval()
    try:
        yield
    finally:
        for name, value in model.named_buffers():
            value.copy_(buffers[name])
        for name, module in model.named_modules():
            module.training = modes[name]


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
