"""Files for PyTorch itself: TorchScript and ExportedProgram."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..graph.static_graph import StaticGraph
from .base import StaticFormat


class TorchScriptFormat(StaticFormat):
    """TorchScript; outputs are a tuple in the description's order.

    PyTorch has deprecated it in favour of ``torch.export``; C++ programs on libtorch
    and Android's PyTorch Mobile still load nothing else.
    """

    name = "torchscript"
    suffix = ".pt"

    def convert(self, static: StaticGraph, path: Path) -> None:
        """Write a graph to ``path``."""
        trace(static, static.inputs).save(str(path))


class ProgramFormat(StaticFormat):
    """An ``ExportedProgram``; outputs are a tuple in the description's order."""

    name = "exported-program"
    suffix = ".pt2"

    def convert(self, static: StaticGraph, path: Path) -> None:
        """Write a graph to ``path``."""
        torch.export.save(exported_program(static), path)


def trace(module: nn.Module, inputs: Sequence[Tensor]) -> torch.jit.ScriptModule:
    """Trace a module; its weights become constants.

    Frozen, because pnnx can lose the weights of a module that is called several times.
    """
    with warnings.catch_warnings(), torch.no_grad():
        # Deprecation, and shapes that become constants: wanted here.
        warnings.simplefilter("ignore")
        traced: torch.jit.ScriptModule = torch.jit.trace(  # type: ignore[no-untyped-call]
            module, tuple(inputs), check_trace=False
        )
        frozen: torch.jit.ScriptModule = torch.jit.freeze(traced.eval())
        return frozen


def exported_program(static: StaticGraph) -> torch.export.ExportedProgram:
    """Return a graph as ``torch.export`` sees it."""
    with torch.no_grad():
        return torch.export.export(static, static.inputs, strict=False)
