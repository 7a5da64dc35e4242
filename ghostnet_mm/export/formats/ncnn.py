"""ncnn, through pnnx from a frozen trace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from ghostnet_runtime.description import Description
from torch import Tensor, nn

from ...errors import OptionError
from ..graph.exportable_graph import ExportableGraph
from ..graph.static_graph import StaticGraph, check_plain_candidates
from ..model_files import finished_model, write_description
from .libraries import import_library
from .pytorch import trace

HEADER_LINES = 2
LAST_LINES = 5


class _WithoutBatch(nn.Module):
    """Returns outputs without the batch dimension.

    pnnx drops it in most operations but not in all; so it is gone from every output.
    """

    def __init__(self, static: StaticGraph):
        super().__init__()
        self.static = static
        self.inputs = static.inputs

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(one.squeeze(0) for one in self.static(image))


def export_ncnn(
    graph: ExportableGraph,
    description: Description,
    path: str | os.PathLike[str],
    *,
    example: Tensor,
    half_weights: bool = False,
) -> Path:
    """Write a graph for ncnn.

    ncnn has no batch dimension: ``image`` is ``(3, H, W)`` and the outputs are without
    their first dimension too.

    Args:
        graph: A `DetectionGraph` of a one-stage detector; it stays as it is.
        description: Of the export.
        path: A ``.ncnn.param`` file; the weights go beside it, into ``.ncnn.bin``, and
            the description into ``.json``.
        example: An image of the size to export, ``(1, 3, H, W)``.
        half_weights: Stores weights as float16: half the size, not exact.

    Returns:
        ``path``.

    Raises:
        OptionError: pnnx is not installed, ncnn lacks an operation of the graph, or
            the path, the example or the form of the graph is not possible.
    """
    check_plain_candidates(description, "ncnn")
    pnnx = import_library("pnnx", "ncnn")
    static = StaticGraph(graph, description, example)
    # Not model.param and model.bin: OpenVINO's weights are model.bin too.
    with finished_model(path, ".ncnn.param") as scratch, TemporaryDirectory() as work:
        trace(_WithoutBatch(static)).save(f"{work}/model.pt")
        _convert(pnnx.EXEC_PATH, Path(work), example, half_weights)
        names = {f"out{index}": name for index, name in enumerate(static.names)}
        names["in0"] = description.input.name
        text = (Path(work) / "model.ncnn.param").read_text(encoding="utf-8")
        _check_layers(text)
        scratch.write_text(rename_blobs(text, names), encoding="utf-8")
        weights = (Path(work) / "model.ncnn.bin").read_bytes()
        scratch.with_suffix(".bin").write_bytes(weights)
        write_description(description, scratch)
    return Path(path)


def rename_blobs(text: str, names: Mapping[str, str]) -> str:
    """Rename blobs in the text of a ``.param`` file.

    Args:
        text: A line for each layer: type, name, number of inputs and of outputs, their
            blobs, then the layer's parameters.
        names: New names of blobs by their old ones.
    """
    lines = text.splitlines()
    for index, line in enumerate(lines[HEADER_LINES:], start=HEADER_LINES):
        words = line.split()
        last = 4 + int(words[2]) + int(words[3])
        blobs = [names.get(word, word) for word in words[4:last]]
        lines[index] = " ".join([*words[:4], *blobs, *words[last:]])
    return "\n".join(lines) + "\n"


def _convert(program: str, work: Path, example: Tensor, half_weights: bool) -> None:
    shape = ",".join(str(side) for side in example.shape)
    command = [
        program,
        "model.pt",
        f"inputshape=[{shape}]f32",
        f"fp16={int(half_weights)}",
    ]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if done.returncode or not (work / "model.ncnn.param").is_file():
        said = "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])
        raise RuntimeError(f"pnnx ended with status {done.returncode}:\n{said}")


def _check_layers(text: str) -> None:
    """Refuse layers that pnnx could not translate: it leaves them as torch's."""
    lines = text.splitlines()[HEADER_LINES:]
    unknown = sorted(
        {kind for kind in (line.split()[0] for line in lines) if "." in kind}
    )
    if unknown:
        raise OptionError(
            f"ncnn has no layer for {', '.join(unknown)} of this detector; export it "
            "to ONNX or OpenVINO instead."
        )
