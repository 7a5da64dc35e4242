"""Trying a config on real pictures: build, train two steps, predict."""

import contextlib
import copy
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner, set_random_seed
from torch import nn

from ..configuration import Options, load_config
from ..configuration.files.reading import read_config
from ..configuration.model.task_scopes import DETECTION, scope_of
from .made_up_labels import labelled_pictures

PIXEL_KEYS = frozenset(
    {"scale", "scales", "img_scale", "crop_size", "size", "border", "random_size_range"}
)
PIXEL_STEP = 32
BATCH_SIZE = 2


@dataclass(frozen=True)
class Trial:
    """What a config did.

    Attributes:
        losses: The total loss of each training step.
        num_predictions: Detections, or maps and labels, on the validation images.
        without_gradient: Trainable parameters that no step has reached.
    """

    losses: tuple[float, ...]
    num_predictions: int
    without_gradient: tuple[str, ...]


def try_config(
    path: str | Path, data_root: str | Path, size: int | None = None, steps: int = 2
) -> Trial:
    """Train a config for a few steps of two pictures, and predict on two more.

    A detector's own data pipelines, losses, optimizer and post-processing run; its
    schedule, hooks and evaluator do not. Classifiers and semantic segmentation get the
    same pictures with labels that are made up.

    Args:
        path: The config file.
        data_root: A folder in COCO layout; panoptic configs need its panoptic part.
        size: Scale the config's image sizes so that the largest has this many pixels;
            None keeps them.
        steps: Training steps.

    Raises:
        UserError: The config or the data are impossible.
    """
    # Every weight's initialization is logged, and pycocotools prints.
    with _logging_only_errors(), contextlib.redirect_stdout(io.StringIO()):
        return _try(Path(path), str(data_root), size, steps)


def _try(path: Path, data_root: str, size: int | None, steps: int) -> Trial:
    register_all_modules(init_default_scope=False)
    scope = scope_of(read_config(path))
    detects = scope == DETECTION
    cfg = load_config(
        path,
        Options(data_root=data_root if detects else None, backbone_weights="none"),
    )
    DefaultScope.get_instance(f"trial-{path.stem}", scope_name=scope)
    set_random_seed(0)
    if size is not None:
        shrink(cfg, size)
    model = MODELS.build(cfg.model)
    model.init_weights()
    if detects:
        training, validation = (
            _loader(cfg.train_dataloader),
            _loader(cfg.val_dataloader),
        )
    else:
        training = [labelled_pictures(cfg, data_root, size, BATCH_SIZE)] * steps
        validation = training
    batches = iter(training)
    losses, reached = [], set()
    optimizer = _optimizer(model, cfg)
    model.train()
    for step in range(steps):
        # A runner counts here; multi-scale training and some heads read it.
        MessageHub.get_current_instance().update_info("iter", step)
        data = model.data_preprocessor(next(batches), True)
        loss, _ = model.parse_losses(model(**data, mode="loss"))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        reached |= {n for n, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
        losses.append(loss.item())
    trainable = [n for n, p in model.named_parameters() if p.requires_grad]
    return Trial(
        tuple(losses),
        _predict(model, next(iter(validation))),
        tuple(name for name in trainable if name not in reached),
    )


@contextlib.contextmanager
def _logging_only_errors() -> Iterator[None]:
    logger = MMLogger.get_current_instance()
    levels = {one: one.level for one in (logger, logging.getLogger())}
    try:
        for one in levels:
            one.setLevel(logging.ERROR)
        yield
    finally:
        for one, level in levels.items():
            one.setLevel(level)


def _optimizer(model: nn.Module, cfg: Config) -> torch.optim.Optimizer:
    wrapper = copy.deepcopy(cfg.optim_wrapper)
    wrapper.type = "OptimWrapper"
    wrapper.pop("loss_scale", None)
    return build_optim_wrapper(model, wrapper).optimizer


def _predict(model: nn.Module, batch: Any) -> int:
    model.eval()
    with torch.no_grad():
        results = model.test_step(batch)
    return sum(
        len(one.pred_instances) if "pred_instances" in one else 1 for one in results
    )


def _loader(settings: Mapping[str, Any]) -> Any:
    settings = copy.deepcopy(dict(settings))
    settings.update(batch_size=BATCH_SIZE, num_workers=0, persistent_workers=False)
    settings.pop("prefetch_factor", None)
    settings.pop("pin_memory", None)
    return Runner.build_dataloader(settings, seed=0)


def shrink(cfg: Config, size: int) -> None:
    """Scale every image size of the pipelines and of the preprocessor, in place.

    Args:
        cfg: The config.
        size: What the largest of them becomes if it is larger, in pixels; all become
            multiples of 32.
    """
    parts = [cfg[f"{split}_dataloader"] for split in ("train", "val")]
    parts.append(cfg.model.get("data_preprocessor") or {})
    largest = max(pixels for part in parts for pixels in _pixels_inside(part))
    for part in parts:
        _shrink_inside(part, min(size / largest, 1))


def _pixels_inside(node: Any, counts: bool = False) -> Iterator[int]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _pixels_inside(value, key in PIXEL_KEYS)
    elif isinstance(node, list | tuple):
        for one in node:
            yield from _pixels_inside(one, counts)
    elif counts and isinstance(node, int):
        yield node


def _shrink_inside(node: Any, factor: float) -> None:
    if isinstance(node, Mapping):
        for key, value in list(node.items()):
            if key in PIXEL_KEYS:
                node[key] = _scaled(value, factor)
            else:
                _shrink_inside(value, factor)
    elif isinstance(node, list | tuple):
        for one in node:
            _shrink_inside(one, factor)


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_scaled(one, factor) for one in value)
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    pixels = max(round(abs(value) * factor / PIXEL_STEP), 1) * PIXEL_STEP
    return -pixels if value < 0 else pixels
