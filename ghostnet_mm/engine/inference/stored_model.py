"""What a checkpoint of ``ghostnet train`` holds, made ready for pictures."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from torch import Tensor, nn

from ...configuration import Options, apply_options
from ...configuration.files.foreign_parts import refuse_foreign_parts
from ...configuration.files.reading import read_config
from ...configuration.files.text import config_from_text
from ...configuration.model.task_scopes import scope_of
from ...datasets.wrappers import steps_of_testing
from ...errors import CheckpointError, OptionError
from ..detector_checkpoint import check_fit, read_detector_weights

ANNOTATION_LOADERS = ("LoadAnnotations", "LoadPanopticAnnotations")


@dataclass(frozen=True)
class StoredModel:
    """A checkpoint and the config to build its model from.

    Attributes:
        path: The checkpoint, for messages.
        weights: Its weights by parameter name.
        meta: What it says about itself; may be empty.
        cfg: The config, to be changed by the caller.
    """

    path: str | os.PathLike
    weights: Mapping[str, Tensor]
    meta: Mapping[str, Any]
    cfg: Config

    def build(
        self,
        build: Callable[[Any], nn.Module],
        options: Options | None = None,
        device: str | None = None,
        *,
        training: bool = False,
    ) -> nn.Module:
        """Change the config and build its model with the weights, in eval mode.

        Args:
            build: Makes a model of its config, which it may change.
            options: Changes to ``cfg``.
            device: See `load_into`.
            training: Whether ``options.data_root`` is needed for the training split
                too.

        Raises:
            UserError: The options, the weights or the device are impossible.
        """
        apply_options(self.cfg, options or Options(), training=training)
        model = build(copy.deepcopy(self.cfg.model))
        self.load_into(model, device)
        return model

    def load_into(self, model: nn.Module, device: str | None = None) -> None:
        """Give ``model`` the weights and put it on a device, in eval mode.

        Args:
            model: The model that ``cfg`` describes.
            device: Such as ``cuda:0``; the default is the first GPU, or the CPU.

        Raises:
            CheckpointError: The weights do not fit in full.
            OptionError: The device does not exist.
        """
        check_fit(model, self.weights, self.path)
        model.load_state_dict(self.weights, strict=False)  # strict but for counters
        device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
        try:
            model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise OptionError(f"--device {device} is not available here.") from error
        model.eval()


def read_stored_model(
    checkpoint: str | os.PathLike, config: str | os.PathLike | None = None
) -> StoredModel:
    """Read a checkpoint and its config.

    Args:
        checkpoint: The weights.
        config: The config; the default is the one that the checkpoint carries, read
            as data, never executed.

    Raises:
        CheckpointError: The checkpoint is unusable or carries no config.
        OptionError: The config is impossible.
    """
    weights, meta = read_detector_weights(checkpoint)
    if config is not None:
        return StoredModel(checkpoint, weights, meta, read_config(os.fspath(config)))
    text = meta.get("cfg")
    if not isinstance(text, str):
        raise CheckpointError(
            f"{checkpoint} carries no config; pass the one it was trained with as "
            f"--config."
        )
    settings = config_from_text(text)
    refuse_foreign_parts(settings, f"The config in {checkpoint}")
    cfg = Config(settings, filename=None)
    return StoredModel(checkpoint, weights, meta, cfg)


def config_to_run(stored: StoredModel, filename: str) -> Config:
    """Return the stored config as one of its own for another run.

    Args:
        stored: A checkpoint and its config.
        filename: What the config is called; the file need not exist.
    """
    cfg = Config(stored.cfg.to_dict(), cfg_text=f"# {stored.path}", filename=filename)
    cfg.load_from, cfg.resume = None, False
    return cfg


def class_descriptions(stored: StoredModel) -> list[Mapping[str, Any]]:
    """Return what names the classes, first what counts most.

    These are the checkpoint's own names, then those that the config gives its test
    dataset, then those of the dataset's class. Keys are ``classes``, ``palette`` and
    others, in small letters.

    Raises:
        OptionError: None of them has names.
    """
    meta = stored.meta.get("dataset_meta") or {}
    dataset = (stored.cfg.get("test_dataloader") or {}).get("dataset") or {}
    kind = dataset.get("type")
    if isinstance(kind, str):
        with DATASETS.switch_scope_and_registry(scope_of(stored.cfg)) as registry:
            kind = registry.get(kind)
    sources = [
        {str(key).lower(): value for key, value in meta.items()},
        dataset.get("metainfo") or {},
        getattr(kind, "METAINFO", None) or {},
    ]
    if not any(source.get("classes") for source in sources):
        raise OptionError(
            "Neither the checkpoint nor the config names the classes; set "
            "test_dataloader.dataset.metainfo.classes."
        )
    return sources


def class_names(descriptions: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names by label of the first description that has them."""
    names = next(entry["classes"] for entry in descriptions if entry.get("classes"))
    return (names,) if isinstance(names, str) else tuple(names)


def steps_without_labels(cfg: Config) -> list[dict[str, Any]]:
    """Return a copy of the test pipeline without what loads annotations.

    Raises:
        OptionError: The config has no test split.
    """
    return [
        copy.deepcopy(step)
        for step in steps_of_testing(cfg)
        if str(step["type"]).rpartition(".")[2] not in ANNOTATION_LOADERS
    ]
