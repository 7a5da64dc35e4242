"""Changes that may make a detector faster."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import MODELS
from torch import nn

from ..benchmarking.candidates import DEPLOYED, EAGER, BenchmarkCandidate
from ..benchmarking.settings import END_TO_END, NETWORK
from ..configuration.model.building import build_on_meta
from ..errors import UserError

# Other runtimes by the suffix of their files.
RUNTIMES = {"onnx": "ONNX Runtime", "xml": "OpenVINO"}
# Networks alone, each in turns with the file of the detector as it is.
FILE_SCOPES = {suffix: f"network in {name}" for suffix, name in RUNTIMES.items()}
KEEPS = "stay valid"
RETRAIN = "retrain"
AFTER_TRAINING = "known after training"
WIDTH_STEP = 0.02
WIDTH_REACH = 0.12
CHANNEL_DIVISORS = (8, 16)
LEAST_HEAD_CHANNELS = 16
SMALLER_NMS_PRE = (300, 100)
HIGHER_THRESHOLDS = (0.1, 0.3)
# CSPNeXt's switch of its gates; the Ghost backbones have none.
GATE_OPTION = "channel_attention"


@dataclass(frozen=True)
class Proposal:
    """A change to try.

    Attributes:
        name: What it is.
        scope: Where it is timed: ``network`` (in PyTorch), ``end-to-end``, or a value
            of `FILE_SCOPES`.
        weights: Whether trained weights stay valid.
        cfg_options: Dotted config keys and their new values.
        form: ``eager`` or ``deploy``.
        runtime: What another runtime runs: the suffix of the exported file, or the
            name of one in INT8; None for PyTorch.
        accuracy: What it does to the scores, in words.
        command: What applies it, where `cfg_options` do not.
    """

    name: str
    scope: str
    weights: str
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    form: str = EAGER
    runtime: str | None = None
    accuracy: str = "unchanged"
    command: str = "ghostnet export CONFIG CHECKPOINT"

    @property
    def how(self) -> str:
        """The command line, or its part, that applies it."""
        if not self.cfg_options:
            return self.command
        pairs = (f"{key}={value}" for key, value in self.cfg_options.items())
        return f"--cfg-options {' '.join(pairs)}"

    def candidate(
        self, original: BenchmarkCandidate, files: Mapping[str, Path]
    ) -> BenchmarkCandidate:
        """Return what is timed beside the original.

        Architectures that need training have random weights.
        """
        if self.runtime is not None:
            return BenchmarkCandidate(self.name, str(files[self.runtime]))
        return replace(
            original,
            label=self.name,
            checkpoint=original.checkpoint if self.weights == KEEPS else None,
            form=self.form,
            cfg_options={**original.cfg_options, **self.cfg_options},
        )


def propose(
    model_cfg: Mapping[str, Any], has_weights: bool
) -> tuple[list[Proposal], list[str]]:
    """List what is worth trying with a detector.

    Args:
        model_cfg: The config's ``model``.
        has_weights: Whether its weights are trained: without, thresholds on scores
            have no meaningful effect.

    Returns:
        The proposals, and sentences on what cannot be tried.
    """
    notes: list[str] = []
    proposals = [
        Proposal(
            "deploy form (fused, as every export is)", NETWORK, KEEPS, form=DEPLOYED
        )
    ]
    backbone = model_cfg.get("backbone") or {}
    proposals += _near_widths(backbone, notes)
    proposals += _without_gates(backbone)
    proposals += _lighter_head(model_cfg)
    if has_weights:
        proposals += _post_processing(model_cfg.get("test_cfg") or {})
    else:
        notes.append(
            "Smaller nms_pre and a higher score threshold: not tried, for random "
            "weights give no meaningful scores; pass a checkpoint."
        )
    return proposals, notes


def _near_widths(backbone: Mapping[str, Any], notes: list[str]) -> Iterator[Proposal]:
    """Propose widths whose channels are multiples of 8 or 16 more often."""
    width = backbone.get("widen_factor", _default_of(backbone, "widen_factor"))
    if not isinstance(width, int | float):
        notes.append(
            f"Channels in multiples of 8 or 16: not tried, for {backbone.get('type')} "
            f"has no widen_factor."
        )
        return
    steps = round(WIDTH_REACH / WIDTH_STEP)
    factors = [1 + WIDTH_STEP * step for step in range(-steps, steps + 1)]
    nearest_first = sorted(
        {round(width * factor, 3) for factor in factors},
        key=lambda near: abs(near - width),
    )
    channels = {near: _pointwise_channels(backbone, near) for near in nearest_first}
    chosen = set[float]()
    for divisor in CHANNEL_DIVISORS:
        aligned = {
            near: float(np.mean(counts % divisor == 0))
            for near, counts in channels.items()
            if counts is not None
        }
        # The nearest of the best: max takes the first.
        best = max(aligned, key=aligned.__getitem__, default=width)
        if best in {width, *chosen} or aligned[best] <= aligned.get(width, 1):
            continue
        chosen.add(best)
        yield Proposal(
            f"backbone width {best:g} (pointwise channels in multiples of {divisor}: "
            f"{aligned[best]:.0%} instead of {aligned[width]:.0%})",
            NETWORK,
            RETRAIN,
            {"model.backbone.widen_factor": best},
            accuracy=AFTER_TRAINING,
        )


def _pointwise_channels(backbone: Mapping[str, Any], width: float) -> np.ndarray | None:
    try:
        module = build_on_meta(
            {**backbone, "widen_factor": width, "init_cfg": None}, "model.backbone"
        )
    except UserError:
        return None
    counts = [
        channels
        for conv in module.modules()
        if isinstance(conv, nn.Conv2d)
        and conv.groups == 1
        and conv.kernel_size == (1, 1)
        for channels in (conv.in_channels, conv.out_channels)
    ]
    return np.asarray(counts) if counts else None


def _without_gates(backbone: Mapping[str, Any]) -> Iterator[Proposal]:
    if backbone.get(GATE_OPTION, _default_of(backbone, GATE_OPTION)):
        yield Proposal(
            "without squeeze and excitation",
            NETWORK,
            RETRAIN,
            {f"model.backbone.{GATE_OPTION}": False},
            accuracy=AFTER_TRAINING,
        )


def _lighter_head(model_cfg: Mapping[str, Any]) -> Iterator[Proposal]:
    places = {
        "model.bbox_head": model_cfg.get("bbox_head"),
        "model.roi_head.bbox_head": (model_cfg.get("roi_head") or {}).get("bbox_head"),
    }
    for place, head in places.items():
        if not isinstance(head, Mapping):
            continue
        for option in ("feat_channels", "fc_out_channels"):
            width = head.get(option, _default_of(head, option))
            if isinstance(width, int) and width // 2 >= LEAST_HEAD_CHANNELS:
                half = max(width // 16 * 8, LEAST_HEAD_CHANNELS)
                yield Proposal(
                    f"head with {half} instead of {width} channels",
                    NETWORK,
                    RETRAIN,
                    {f"{place}.{option}": half},
                    accuracy=AFTER_TRAINING,
                )
        depth = head.get("stacked_convs", _default_of(head, "stacked_convs"))
        if isinstance(depth, int) and depth > 1:
            yield Proposal(
                f"head with {depth - 1} instead of {depth} convolutions",
                NETWORK,
                RETRAIN,
                {f"{place}.stacked_convs": depth - 1},
                accuracy=AFTER_TRAINING,
            )


def _post_processing(test_cfg: Mapping[str, Any]) -> Iterator[Proposal]:
    for stage in ("", "rpn", "rcnn"):
        rules = test_cfg.get(stage) if stage else test_cfg
        if not isinstance(rules, Mapping):
            continue
        fewer = [
            (key, value)
            for key in (("nms_pre", "max_per_img") if stage == "rpn" else ("nms_pre",))
            for value in SMALLER_NMS_PRE
            if value < rules.get(key, 0)
        ]
        higher = [
            ("score_thr", value)
            for value in HIGHER_THRESHOLDS
            if value > rules.get("score_thr", 1)
        ]
        place = f"{stage}." if stage else ""
        for key, value in (*fewer, *higher):
            yield Proposal(
                f"{f'{stage} ' if stage else ''}{key} {value} instead of {rules[key]}",
                END_TO_END,
                KEEPS,
                {f"model.test_cfg.{place}{key}": value},
                accuracy="to be measured with ghostnet test",
            )


def _default_of(part: Mapping[str, Any], name: str) -> Any:
    """Return the default of an option of a part's type, base classes included."""
    kind = MODELS.get(part["type"]) if isinstance(part.get("type"), str) else None
    for base in getattr(kind, "__mro__", ()):
        if "__init__" in vars(base) and base not in (object, nn.Module):
            parameters = inspect.signature(base.__init__).parameters
            if name in parameters:
                return parameters[name].default
    return None
