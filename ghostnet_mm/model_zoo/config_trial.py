"""Trying a config on real pictures: build, train two steps, predict."""

import copy
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner, set_random_seed
from torch import nn
from torch.utils.data import DataLoader

from ..configuration import Options, load_config
from ..configuration.files.reading import read_config
from ..configuration.model.task_scopes import DETECTION, scope_of
from ..configuration.options import Folders
from ..evaluation.without_prints import without_messages
from .made_up_labels import made_up_batch

PIXEL_KEYS = frozenset(
    {"scale", "scales", "img_scale", "crop_size", "size", "border", "random_size_range"}
)
PIXEL_STEP = 32
BATCH_SIZE = 2


@dataclass(frozen=True)
class ConfigTrial:
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
    path: str | Path, data_root: Folders, size: int | None = None, steps: int = 2
) -> ConfigTrial:
    """Train a config for a few steps of two pictures, and predict on two more.

    A detector's own data pipelines, losses, optimizer and post-processing run; its
    schedule, hooks and evaluator do not. Classifiers and semantic segmentation get the
    same pictures with labels that are made up.

    Args:
        path: The config file.
        data_root: The folder or folders, in any format that training reads; panoptic
            configs need COCO's panoptic layout.
        size: Scale the config's image sizes so that the largest has this many pixels;
            None keeps them.
        steps: Training steps.

    Raises:
        UserError: The config or the data are impossible.
    """
    # Every weight's initialization is logged, and pycocotools prints.
    with without_messages():
        return _try(Path(path), data_root, size, steps)


def _try(path: Path, data_root: Folders, size: int | None, steps: int) -> ConfigTrial:
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
    training: Iterable[Any]
    validation: Iterable[Any]
    if detects:
        training, validation = map(_loader, (cfg.train_dataloader, cfg.val_dataloader))
    else:
        training = [made_up_batch(cfg, data_root, size, BATCH_SIZE)] * steps
        validation = training
    losses, reached = [], set()
    optimizer = _optimizer(model, cfg)
    model.train()
    for step, batch in zip(range(steps), training, strict=False):
        # A runner counts here; multi-scale training and some heads read it.
        MessageHub.get_current_instance().update_info("iter", step)
        data = model.data_preprocessor(batch, training=True)
        loss, _ = model.parse_losses(model(**data, mode="loss"))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        reached |= {n for n, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
        losses.append(loss.item())
    trainable = [n for n, p in model.named_parameters() if p.requires_grad]
    unreached = tuple(name for name in trainable if name not in reached)
    predictions = _predict(model, next(iter(validation)))
    return ConfigTrial(tuple(losses), predictions, unreached)


def _optimizer(model: nn.Module, cfg: Config) -> torch.optim.Optimizer:
    wrapper = copy.deepcopy(cfg.optim_wrapper)
    wrapper.type = "OptimWrapper"
    wrapper.pop("loss_scale", None)
    return build_optim_wrapper(model, wrapper).optimizer


def _predict(model: BaseModel, batch: Any) -> int:
    model.eval()
    with torch.no_grad():
        results = model.test_step(batch)
    return sum(
        len(sample.pred_instances) if "pred_instances" in sample else 1
        for sample in results
    )


def _loader(settings: Mapping[str, Any]) -> DataLoader:
    own = copy.deepcopy(dict(settings))
    own.update(batch_size=BATCH_SIZE, num_workers=0, persistent_workers=False)
    own.pop("prefetch_factor", None)
    own.pop("pin_memory", None)
    return Runner.build_dataloader(own, seed=0)


def shrink(cfg: Config, size: int) -> None:
    """Scale every image size of the pipelines and of the preprocessor, in place.

    Args:
        cfg: The config.
        size: What the largest of them becomes if it is larger, in pixels; all become
            multiples of 32.
    """
    parts = [cfg.train_dataloader, cfg.val_dataloader]
    parts.append(cfg.model.get("data_preprocessor"))
    settings = list(_image_sizes(parts))
    largest = max(pixels for step, key in settings for pixels in _numbers(step[key]))
    for step, key in settings:
        step[key] = _scaled(step[key], min(size / largest, 1))


def _image_sizes(node: Any) -> Iterator[tuple[MutableMapping[str, Any], str]]:
    """Yield each setting with image sizes as the step it stands in and its key."""
    if isinstance(node, MutableMapping):
        for key, value in node.items():
            if key in PIXEL_KEYS:
                yield node, key
            else:
                yield from _image_sizes(value)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _image_sizes(item)


def _numbers(value: Any) -> list[int]:
    if isinstance(value, list | tuple):
        return [number for item in value for number in _numbers(item)]
    return [value] if isinstance(value, int) else []


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_scaled(item, factor) for item in value)
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    pixels = max(round(abs(value) * factor / PIXEL_STEP), 1) * PIXEL_STEP
    return -pixels if value < 0 else pixels
