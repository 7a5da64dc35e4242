"""Changes that may make a detector faster."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmdet.registry import MODELS
from torch import nn

from ..benchmarking.candidates import DEPLOYED, EAGER
from ..benchmarking.settings import END_TO_END, NETWORK
from ..configuration.model.building import build_on_meta
from ..errors import UserError
from .exported_files import RUNTIMES

# Networks alone, each in turns with the file of the detector as it is.
FILE_SCOPES = {suffix: f"network in {name}" for suffix, name in RUNTIMES.items()}
KEEPS = "stay valid"
RETRAIN = "retrain"
WIDTH_STEP = 0.02
WIDTH_REACH = 0.12
CHANNEL_DIVISORS = (8, 16)
LEAST_HEAD_CHANNELS = 16
SMALLER_NMS_PRE = (300, 100)
HIGHER_THRESHOLDS = (0.1, 0.3)
# What a constructor may call these; the first that it has is used.
ROUNDING_OPTIONS = ("channel_divisor", "round_channels_to", "divisor")
GATE_OPTIONS = ("channel_attention", "with_se", "squeeze_excite")


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
            name of a changed one; None for PyTorch.
        accuracy: What it does to the scores, in words.
        instructions: How to apply it, where `how` cannot tell from the rest.
    """

    name: str
    scope: str
    weights: str
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    form: str = EAGER
    runtime: str | None = None
    accuracy: str = "unchanged"
    instructions: str = ""

    @property
    def how(self) -> str:
        """The command line's part that applies it, or a sentence."""
        if self.instructions:
            return self.instructions
        if self.cfg_options:
            pairs = (f"{key}={value}" for key, value in self.cfg_options.items())
            return f"--cfg-options {' '.join(pairs)}"
        if self.runtime is not None:
            name = {"onnx": "onnx", "xml": "openvino"}.get(self.runtime, self.runtime)
            return f"python tools/export.py CONFIG CHECKPOINT --formats {name}"
        return "python tools/export.py CONFIG CHECKPOINT"


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
    proposals += _channel_rounding(backbone, notes)
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


def gate_option_of(backbone: Mapping[str, Any]) -> str | None:
    """Return the option of a backbone that leaves out its gates, if it has one."""
    return _option_of(backbone, GATE_OPTIONS)


def _channel_rounding(
    backbone: Mapping[str, Any], notes: list[str]
) -> Iterator[Proposal]:
    option = _option_of(backbone, ROUNDING_OPTIONS)
    if option is not None:
        for divisor in CHANNEL_DIVISORS:
            yield Proposal(
                f"channels rounded to {divisor}",
                NETWORK,
                RETRAIN,
                {f"model.backbone.{option}": divisor},
                accuracy="known after training",
            )
        return
    width = backbone.get("widen_factor", _default_of(backbone, "widen_factor"))
    if not isinstance(width, int | float):
        notes.append(
            f"Channel rounding: not tried, for {backbone.get('type')} has neither an "
            f"option for it nor a widen_factor."
        )
        return
    notes.append(
        f"Channel rounding: {backbone.get('type')} has no option for it; a near width "
        f"whose channels are multiples of 8 or 16 more often is what can be trained."
    )
    yield from _width_steps(backbone, float(width))


def _width_steps(backbone: Mapping[str, Any], width: float) -> Iterator[Proposal]:
    steps = round(WIDTH_REACH / WIDTH_STEP)
    factors = [1 + WIDTH_STEP * step for step in range(-steps, steps + 1)]
    widths = sorted(
        {round(width * one, 3) for one in factors}, key=lambda one: abs(one - width)
    )
    channels = {one: _pointwise_channels(backbone, one) for one in widths}
    chosen = set()
    for divisor in CHANNEL_DIVISORS:
        aligned = {
            one: float(np.mean(counts % divisor == 0))
            for one, counts in channels.items()
            if counts is not None
        }
        # The nearest of the best: sorted is by distance, and max takes the first.
        best = max(aligned, key=aligned.get, default=width)
        if best == width or best in chosen or aligned[best] <= aligned.get(width, 1):
            continue
        chosen.add(best)
        yield Proposal(
            f"backbone width {best:g} (pointwise channels in multiples of {divisor}: "
            f"{aligned[best]:.0%} instead of {aligned[width]:.0%})",
            NETWORK,
            RETRAIN,
            {"model.backbone.widen_factor": best},
            accuracy="known after training",
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
        for one in module.modules()
        if isinstance(one, nn.Conv2d) and one.groups == 1 and one.kernel_size == (1, 1)
        for channels in (one.in_channels, one.out_channels)
    ]
    return np.asarray(counts) if counts else None


def _without_gates(backbone: Mapping[str, Any]) -> Iterator[Proposal]:
    option = gate_option_of(backbone)
    if option is not None and backbone.get(option, _default_of(backbone, option)):
        yield Proposal(
            "without squeeze and excitation",
            NETWORK,
            RETRAIN,
            {f"model.backbone.{option}": False},
            accuracy="known after training",
        )


def _lighter_head(model_cfg: Mapping[str, Any]) -> Iterator[Proposal]:
    places = {"model.bbox_head": model_cfg.get("bbox_head")}
    two_stage = (model_cfg.get("roi_head") or {}).get("bbox_head")
    places["model.roi_head.bbox_head"] = two_stage
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
                    accuracy="known after training",
                )
        depth = head.get("stacked_convs", _default_of(head, "stacked_convs"))
        if isinstance(depth, int) and depth > 1:
            yield Proposal(
                f"head with {depth - 1} instead of {depth} convolutions",
                NETWORK,
                RETRAIN,
                {f"{place}.stacked_convs": depth - 1},
                accuracy="known after training",
            )


def _post_processing(test_cfg: Mapping[str, Any]) -> Iterator[Proposal]:
    measured = "to be measured with tools/test.py"
    for stage in ("", "rpn", "rcnn"):
        rules = test_cfg.get(stage) if stage else test_cfg
        if not isinstance(rules, Mapping):
            continue
        place = f"model.test_cfg.{stage}." if stage else "model.test_cfg."
        changes = {
            "nms_pre": [
                one for one in SMALLER_NMS_PRE if one < rules.get("nms_pre", 0)
            ],
            "score_thr": [
                one for one in HIGHER_THRESHOLDS if one > rules.get("score_thr", 1)
            ],
        }
        if stage == "rpn":
            most = rules.get("max_per_img", 0)
            changes["max_per_img"] = [one for one in SMALLER_NMS_PRE if one < most]
        for key, values in changes.items():
            for value in values:
                yield Proposal(
                    f"{f'{stage} ' if stage else ''}{key} {value} instead of "
                    f"{rules[key]}",
                    END_TO_END,
                    KEEPS,
                    {f"{place}{key}": value},
                    accuracy=measured,
                )


def _option_of(part: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    parameters = _parameters(part)
    return next((one for one in names if one in parameters), None)


def _default_of(part: Mapping[str, Any], name: str) -> Any:
    parameter = _parameters(part).get(name)
    return None if parameter is None else parameter.default


def _parameters(part: Mapping[str, Any]) -> dict[str, inspect.Parameter]:
    """Return what the constructors of a part's type take, base classes included."""
    kind = MODELS.get(part["type"]) if isinstance(part.get("type"), str) else None
    found: dict[str, inspect.Parameter] = {}
    for base in reversed(getattr(kind, "__mro__", ())):
        if "__init__" in vars(base) and base not in (object, nn.Module):
            found.update(inspect.signature(base.__init__).parameters)
    return found
