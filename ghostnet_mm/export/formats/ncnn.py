"""ncnn, through pnnx from a frozen trace."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor, nn

from ...errors import OptionError
from ..graph.static_graph import StaticGraph
from .base import StaticFormat
from .libraries import import_library
from .pytorch import trace

HEADER_LINES = 2
LAST_LINES = 5


class NcnnFormat(StaticFormat):
    """ncnn's text and weights, in float32.

    ncnn has no batch dimension: ``image`` is ``(3, H, W)`` and the outputs are without
    their first dimension too. The weights go into ``.ncnn.bin``.
    """

    name = "ncnn"
    # Not .param and .bin: OpenVINO's weights are .bin too.
    suffix = ".ncnn.param"
    modules = ("ncnn", "pnnx")
    extra = "ncnn"
    takes_two_stages = False

    def convert(self, static: StaticGraph, path: Path) -> None:
        """Write a graph to ``path``.

        Raises:
            OptionError: ncnn lacks an operation of the graph.
        """
        pnnx = import_library("pnnx", self.extra)
        (image,) = static.inputs
        with TemporaryDirectory() as work:
            trace(_WithoutBatch(static), static.inputs).save(f"{work}/model.pt")
            text, weights = _converted(pnnx.EXEC_PATH, Path(work), image)
        _check_layers(text)
        names = {f"out{index}": name for index, name in enumerate(static.names)}
        text = rename_blobs(text, {**names, "in0": static.input_name})
        path.write_text(text, encoding="utf-8")
        path.with_suffix(".bin").write_bytes(weights)


class _WithoutBatch(nn.Module):
    """Returns outputs without the batch dimension.

    pnnx drops it in most operations but not in all; so it is gone from every output.
    """

    def __init__(self, static: StaticGraph):
        super().__init__()
        self.static = static

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(output.squeeze(0) for output in self.static(image))


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


def _converted(program: str, work: Path, image: Tensor) -> tuple[str, bytes]:
    """Run pnnx on ``model.pt`` and return the layers and the weights for ncnn."""
    shape = ",".join(str(side) for side in image.shape)
    command = [program, "model.pt", f"inputshape=[{shape}]f32", "fp16=0"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    layers = work / "model.ncnn.param"
    if done.returncode or not layers.is_file():
        said = "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])
        raise RuntimeError(f"pnnx ended with status {done.returncode}:\n{said}")
    return layers.read_text(encoding="utf-8"), layers.with_suffix(".bin").read_bytes()


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
