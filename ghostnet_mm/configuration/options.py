"""The options the tools share, and the parsing of KEY=VALUE."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict

from mmengine.config import DictAction

from ..errors import OptionError

LATEST = "latest"
"""The value of ``Options.resume`` for a bare ``--resume``."""

Folders = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class TrainingFlags(TypedDict, total=False):
    """Of `Options`, where they are described, those that are seldom given."""

    amp: bool | str
    auto_scale_lr: bool
    ema: bool | float
    accumulate: int
    early_stop: bool | int
    freeze: str
    layer_decay: float
    compile: bool
    channels_last: bool
    on_nan: str
    keep: int
    deterministic: bool
    strict_data: bool
    crowd_as_objects: bool
    launcher: str
    vis: str


@dataclass(frozen=True)
class Options:
    """What a command line asks of a config; the defaults ask nothing.

    Precedence: these named options, over ``cfg_options``, over the config file.

    Attributes:
        cfg_options: Dotted config keys and their new values.
        data_root: Folder or folders that every dataset of the config is pointed at.
        strict_data: Refuse data that needs repairs.
        crowd_as_objects: Read crowd regions as objects.
        backbone_weights: ``timm://NAME``, a file, or ``none`` to start from scratch.
        work_dir: Where logs and checkpoints go.
        amp: Train in mixed precision: ``auto`` or True (float16 on a GPU, bfloat16 on
            a CPU), ``fp16`` or ``bf16``.
        resume: ``latest``, or the checkpoint to continue from.
        auto_scale_lr: Scale the learning rate with the total batch size.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        vis: ``tensorboard`` or ``wandb``: also send the curves there.
        ema: Average the weights: True, or the momentum of the average.
        accumulate: Batches whose gradients make one optimizer step.
        compile: Compile the forward pass of backbone, neck and head.
        channels_last: Train in channels-last memory format.
        freeze: What of a pretrained backbone stays as it is: ``none``, ``norms``,
            ``stem`` or ``backbone``.
        layer_decay: Factor between the learning rates of neighbouring backbone layers.
        epochs: Length of the run; the whole schedule is scaled to it.
        early_stop: End the run when the main score stops rising: True, or the number
            of validations to wait.
        on_nan: What to do about a loss that is NaN or infinite: ``stop``, ``skip`` or
            ``rollback``.
        keep: Checkpoints that stay: so many of the last, and the best.
        seed: Of all random numbers.
        deterministic: Use deterministic algorithms only.
    """

    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    data_root: Folders | None = None
    strict_data: bool = False
    crowd_as_objects: bool = False
    backbone_weights: str | None = None
    work_dir: str | os.PathLike[str] | None = None
    amp: bool | str = False
    resume: str | os.PathLike[str] | None = None
    auto_scale_lr: bool = False
    launcher: str | None = None
    vis: str | None = None
    ema: bool | float = False
    accumulate: int | None = None
    compile: bool = False
    channels_last: bool = False
    freeze: str | None = None
    layer_decay: float | None = None
    epochs: int | None = None
    early_stop: bool | int = False
    on_nan: str | None = None
    keep: int | None = None
    seed: int | None = None
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name in ("work_dir", "resume"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, os.fspath(getattr(self, name)))
        if isinstance(self.data_root, os.PathLike):
            object.__setattr__(self, "data_root", os.fspath(self.data_root))
        elif self.data_root is not None and not isinstance(self.data_root, str):
            roots = [os.fspath(root) for root in self.data_root]
            object.__setattr__(self, "data_root", roots)

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Options:
        """Take from parsed ``arguments`` whatever they share with this class.

        Raises:
            OptionError: An item of ``--cfg-options`` is not KEY=VALUE.
        """
        given = {
            option.name: getattr(arguments, option.name)
            for option in fields(cls)
            if getattr(arguments, option.name, None) is not None
        }
        if "cfg_options" in given:
            given["cfg_options"] = parse_assignments(given["cfg_options"])
        return cls(**given)


def parse_assignments(items: Sequence[str]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` strings by the rules of mmengine's ``DictAction``.

    Raises:
        OptionError: An item has no ``=``, no key, or brackets that do not match.
    """
    for item in items:
        key, equals, _ = item.partition("=")
        if not equals or not all(key.split(".")):
            raise OptionError(
                f"--cfg-options takes KEY=VALUE pairs separated by blanks, but got "
                f"{item!r}."
            )
    # mmengine offers its parser only as an argparse action.
    parsed = argparse.Namespace()
    action = DictAction(option_strings=[], dest="cfg_options", nargs="+")
    try:
        action(argparse.ArgumentParser(), parsed, list(items))
    except AssertionError as error:
        raise OptionError(
            f"The brackets of a list in --cfg-options {' '.join(items)!r} do not "
            f'match; write lists without blanks, as in key="[a,b]".'
        ) from error
    return parsed.cfg_options
