"""The deploy form: a copy of a model with everything fused that inference allows."""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.dropout import _DropoutNd

from ..backbones.base import MultiScaleBackbone
from ..errors import OptionError
from ..measuring.detector_complexity import network_pass
from .conv_norm_pairs import ConvNormPairs, find_conv_norm_pairs

# Large enough for every detector of mmdet: SSD300 has layers without padding.
SIDE = 320
# Identities in eval mode; mmcv, mmdet and timm have classes of these names.
STOCHASTIC_NAMES = frozenset({"DropBlock", "DropPath"})
AUXILIARY_PART = re.compile(r"aux(iliary)?(_|$)")
LOSS_PART = re.compile(r"(^|\.)loss(es)?(_|\.|$)")
# Not mmdet's NormedLinear, which normalizes its weights.
NORM_NAME = re.compile(r"Norm(\dd)?$")
NOT_BATCH_NORM = "it is no batch norm with statistics of its own"

InferencePass = Callable[[nn.Module], object]


@dataclass(frozen=True)
class DeployReport:
    """What :func:`deploy_form` did, by module names of the training model's copy.

    Attributes:
        folded: Convolution and norm of every pair that became one convolution.
        left: Every norm that stays, with the reason.
        removed: Parts and parameters that inference does not need.
    """

    folded: tuple[tuple[str, str], ...]
    left: dict[str, str]
    removed: tuple[str, ...]


def reparameterized(model: nn.Module) -> nn.Module:
    """Return a copy in eval mode with all training branches fused; norms stay.

    Raises:
        OptionError: When branches have norms or convolutions that cannot be fused.
    """
    model = copy.deepcopy(model)
    # mmdet's backbones return None from it.
    model.eval()
    for module in list(model.modules()):
        if hasattr(module, "switch_to_deploy"):
            cast(Any, module).switch_to_deploy()
    model.eval()
    return model


def deploy_form(model: nn.Module, run: InferencePass | None = None) -> nn.Module:
    """Return a fused copy for inference; the model itself stays as it is.

    See :func:`deploy_form_and_report`.
    """
    return deploy_form_and_report(model, run)[0]


def deploy_form_and_report(
    model: nn.Module, run: InferencePass | None = None
) -> tuple[nn.Module, DeployReport]:
    """Return a fused copy for inference and what was fused.

    Training branches are re-parameterized, batch norms folded into the convolutions
    whose output they alone read, dropout, auxiliary heads and parameters of losses
    removed. Outputs equal those of the model in eval mode up to rounding: folding is
    done in float64. A convolution shared by several layers becomes one per layer.

    Which norms can be folded is seen in one pass on a blank image.

    Args:
        model: Any detector, or another module; its mode does not matter.
        run: Runs one inference pass of the module it is given. Needed only for modules
            that do not take an image alone, such as necks.

    Returns:
        The copy in eval mode, and the report.

    Raises:
        OptionError: When training branches cannot be fused, or the module cannot run
            on a blank image and ``run`` is not given.

    Example:
        >>> from ghostnet_mm.backbones import GhostNet
        >>> from ghostnet_mm.fusion.deploy_form import deploy_form_and_report
        >>> _, report = deploy_form_and_report(GhostNet(widen_factor=0.5))
        >>> len(report.folded), report.left
        (79, {})
    """
    model = reparameterized(model)
    _untie_modules(model)
    pairs = find_conv_norm_pairs(model, run or _run_blank_image)
    # Before any parameter is replaced: the pairs know them by identity.
    removed = _remove_unused_parts(model, pairs)
    names = {module: name for name, module in model.named_modules()}
    left = {names[norm]: reason for norm, reason in pairs.left.items() if norm in names}
    left.update(_other_norms(model))
    folded: list[tuple[str, str]] = []
    replaced: dict[nn.Module, nn.Module] = {}
    for norm, convs in pairs.convs.items():
        for conv in convs:
            _fold(conv, norm)
            folded.append((names[conv], names[norm]))
        replaced[norm] = nn.Identity()
    for module, name in names.items():
        if isinstance(module, _DropoutNd) or type(module).__name__ in STOCHASTIC_NAMES:
            replaced[module] = nn.Identity()
            removed.append(name)
    _replace(model, replaced)
    model.eval()
    return model, DeployReport(tuple(folded), left, tuple(removed))


def _untie_modules(model: nn.Module) -> None:
    """Give each layer a convolution module of its own; parameters stay shared.

    Heads share convolution modules between levels that have norms of their own.
    """
    seen = set()
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if not isinstance(child, _ConvNd):
                continue
            if child in seen:
                shared = {id(weight): weight for weight in child.parameters()}
                parent._modules[name] = copy.deepcopy(child, shared)
            seen.add(child)


def _run_blank_image(model: nn.Module) -> object:
    if isinstance(model, BaseModel):
        # Without post-processing: heads that run on detections run on proposals, and
        # are not left out for want of detections.
        return network_pass(model, _image_channels(model), (SIDE, SIDE))()
    first = next((m for m in model.modules() if isinstance(m, _ConvNd)), None)
    if first is None:
        return None
    try:
        return model(first.weight.new_zeros(1, first.in_channels, SIDE, SIDE))
    except Exception as error:
        raise OptionError(
            f"{type(model).__name__} does not run on a blank image of {SIDE} px: give "
            "deploy_form a function run(module) that runs one inference pass."
        ) from error


def _image_channels(model: BaseModel) -> int:
    mean = getattr(model.data_preprocessor, "mean", None)
    if isinstance(mean, Tensor):
        return mean.numel()
    backbone = getattr(model, "backbone", None)
    # Elsewhere the attribute, where there is one, is about other layers.
    return backbone.in_channels if isinstance(backbone, MultiScaleBackbone) else 3


@torch.no_grad()
def _fold(conv: _ConvNd, norm: _BatchNorm) -> None:
    """Let a convolution compute what the norm makes of its output."""
    scale = (cast(Tensor, norm.running_var).double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    weight = conv.weight.double()
    if isinstance(conv, _ConvTransposeNd):
        # (in, out / groups, ...): every group of inputs has outputs of its own.
        grouped = weight.unflatten(0, (conv.groups, -1))
        per_output = scale.reshape(conv.groups, 1, -1, *[1] * (grouped.dim() - 3))
        weight = (grouped * per_output).flatten(0, 1)
    else:
        weight = weight * scale.reshape(-1, *[1] * (weight.dim() - 1))
    bias = -cast(Tensor, norm.running_mean).double()
    if conv.bias is not None:
        bias = bias + conv.bias.double()
    bias = bias * scale
    if norm.bias is not None:
        bias = bias + norm.bias.double()
    trains = conv.weight.requires_grad
    # New parameters: the old ones may be shared with other layers.
    kept = conv.weight
    conv.weight = nn.Parameter(
        weight.to(kept.dtype).contiguous(memory_format=_layout(kept)), trains
    )
    conv.bias = nn.Parameter(bias.to(kept.dtype), trains)


def _layout(weight: Tensor) -> torch.memory_format:
    if weight.dim() == 4 and not weight.is_contiguous():
        return torch.channels_last
    return torch.contiguous_format


def _other_norms(model: nn.Module) -> dict[str, str]:
    """Return the norms that are not batch norms: their sums depend on the image."""
    return {
        name: NOT_BATCH_NORM
        for name, module in model.named_modules()
        if NORM_NAME.search(type(module).__name__)
        and not isinstance(module, _BatchNorm)
        and not any(True for _ in module.children())
    }


def _remove_unused_parts(model: nn.Module, pairs: ConvNormPairs) -> list[str]:
    """Remove auxiliary heads and parameters of losses that the pass did not read."""
    removed = []
    for parent_name, parent in list(model.named_modules()):
        prefix = f"{parent_name}." if parent_name else ""
        for name, child in parent.named_children():
            parameters = list(child.parameters())
            unused = not any(id(weight) in pairs.used for weight in parameters)
            if AUXILIARY_PART.match(name) and parameters and unused:
                setattr(parent, name, None)
                removed.append(f"{prefix}{name}")
        if LOSS_PART.search(parent_name):
            for name, parameter in list(parent.named_parameters(recurse=False)):
                if id(parameter) not in pairs.used:
                    setattr(parent, name, None)
                    removed.append(f"{prefix}{name}")
    return removed


def _replace(model: nn.Module, replaced: dict[nn.Module, nn.Module]) -> None:
    """Put other modules in the place of some, wherever they stand."""
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if child in replaced:
                parent._modules[name] = replaced[child]
