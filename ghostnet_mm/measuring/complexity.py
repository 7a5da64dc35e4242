"""Parameters, multiply-accumulates and activations, per part of a model.

Multiply-accumulates (MACs) are those of convolutions and matrix products, as papers
count them: norms, activations, pooling, resizing and additions are left out. PyTorch's
own counter finds them at the operator level, so code that calls ``F.conv2d`` or
``einsum`` is counted too. Activations are the output elements of convolutions and
linear layers, as in RegNet (CVPR 2020).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..reporting.tables import Table

WEIGHTED_LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


@dataclass(frozen=True)
class PartComplexity:
    """The cost of one part of a model.

    Args:
        name: Which part.
        parameters: Trainable and frozen parameters.
        macs: Multiply-accumulates of one forward pass.
        activations: Output elements of its convolutions and linear layers.
    """

    name: str
    parameters: int
    macs: int
    activations: int


def parts_of_detector(model: nn.Module) -> dict[str, list[nn.Module]]:
    """Name the parts of a detector that a reader wants to see apart.

    A backbone of this package is split into its stem and stages, everything else is
    taken by its name in the model.
    """
    parts: dict[str, list[nn.Module]] = {}
    for name, child in model.named_children():
        if hasattr(child, "stage_blocks") and hasattr(child, "stem_parts"):
            backbone: Any = child  # its class stands above this room
            parts[f"{name}: stem (stride 2)"] = backbone.stem_parts()
            for stage in range(backbone.num_built_stages):
                stride = backbone.stride_of(stage)
                label = f"{name}: stage {stage + 1} (stride {stride})"
                parts[label] = backbone.stage_blocks(stage)
        elif any(True for _ in child.parameters()):
            parts[name] = [child]
    return parts


def measure_complexity(
    model: nn.Module,
    run: Callable[[], object],
    parts: dict[str, list[nn.Module]],
) -> list[PartComplexity]:
    """Count what ``run()`` makes ``model`` do.

    Args:
        model: The model that ``run`` calls.
        run: Runs one forward pass.
        parts: Modules by the name of the part they form; what belongs to none of them
            is reported as ``(other)``.

    Returns:
        One entry per part, then the total, named ``total``.
    """
    names = {module: name for name, module in model.named_modules()}
    activations: dict[nn.Module, int] = {}
    hidden_macs: dict[nn.Module, int] = {}

    def record(module: nn.Module, _inputs: object, output: Tensor) -> None:
        activations[module] = activations.get(module, 0) + output.numel()
        uncounted = getattr(module, "uncounted_macs", None)
        if uncounted is not None:
            hidden_macs[module] = hidden_macs.get(module, 0) + uncounted(output)

    handles = [
        module.register_forward_hook(record)
        for module in model.modules()
        if isinstance(module, WEIGHTED_LAYERS)
    ]
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()

    root = type(model).__name__
    flops = {
        name.removeprefix(f"{root}."): sum(operators.values())
        for name, operators in counter.get_flop_counts().items()
    }

    def summarize(label: str, modules: list[nn.Module]) -> PartComplexity:
        inside = {inner for module in modules for inner in module.modules()}
        macs = sum(_flops_inside(names[module], flops) for module in modules) // 2
        macs += sum(hidden_macs.get(module, 0) for module in inside)
        parameters = {p for module in modules for p in module.parameters()}
        return PartComplexity(
            label,
            sum(parameter.numel() for parameter in parameters),
            macs,
            sum(activations.get(module, 0) for module in inside),
        )

    rows = [summarize(label, modules) for label, modules in parts.items()]
    total = PartComplexity(
        "total",
        sum(parameter.numel() for parameter in model.parameters()),
        counter.get_total_flops() // 2 + sum(hidden_macs.values()),
        sum(activations.values()),
    )
    other = PartComplexity(
        "(other)",
        total.parameters - sum(row.parameters for row in rows),
        total.macs - sum(row.macs for row in rows),
        total.activations - sum(row.activations for row in rows),
    )
    if other.parameters or other.macs or other.activations:
        rows.append(other)
    return [*rows, total]


def _flops_inside(module_name: str, flops: dict[str, int]) -> int:
    """Sum what was counted in a module, each operation once.

    The counter adds a call to every module around it whose ``__call__`` ran. mmdet
    calls some heads' ``forward`` directly, so a head may be missing while its layers
    are there.
    """
    if module_name in flops:
        return flops[module_name]
    depth = module_name.count(".") + 1
    children = {
        ".".join(name.split(".")[: depth + 1])
        for name in flops
        if name.startswith(f"{module_name}.")
    }
    return sum(_flops_inside(child, flops) for child in children)


def complexity_table(rows: Iterable[PartComplexity]) -> Table:
    """Return a table of what each part costs; counts in millions."""
    columns = ("part", "params (M)", "MACs (M)", "activations (M)")
    return Table.of(
        columns,
        (
            (
                row.name,
                f"{row.parameters / 1e6:.3f}",
                f"{row.macs / 1e6:.2f}",
                f"{row.activations / 1e6:.3f}",
            )
            for row in rows
        ),
    )
