"""Which Ghost bottlenecks of an exported detector do without concatenation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ..configuration.console import tell
from ..errors import OptionError
from ..fusion.concat_free import splittable_blocks
from ..measuring.latency import Gain
from .concat_free_timing import time_blocks

NONE, MEASURED, ALL = MODES = ("none", "measured", "all")
# The runtimes that decide for their formats; ONNX Runtime does where neither is asked.
RUNTIME_OF = {
    "onnx": "onnxruntime",
    "onnx-nms": "onnxruntime",
    "openvino": "openvino",
}


@dataclass(frozen=True, kw_only=True)
class BlockChoice:
    """One Ghost bottleneck.

    Attributes:
        name: Of the module in the deploy form.
        rewritten: Whether the files hold it without concatenation.
        gains: By runtime; empty where nothing was timed.
    """

    name: str
    rewritten: bool
    gains: Mapping[str, Gain]

    def __str__(self) -> str:
        parts = [
            f"{gain.median:.2f} times as fast in {runtime} ({gain.low:.2f} to "
            f"{gain.high:.2f})"
            for runtime, gain in self.gains.items()
        ]
        return ", ".join([self.name, *parts])


@dataclass(frozen=True)
class ConcatFreeChoice:
    """Which blocks of all files were rewritten.

    Attributes:
        mode: ``measured`` or ``all``.
        rule: A sentence on how they were chosen.
        blocks: Every bottleneck that can be rewritten, in order.
    """

    mode: str
    rule: str
    blocks: tuple[BlockChoice, ...]

    @property
    def rewritten(self) -> list[str]:
        """Names of the blocks that the files hold without concatenation."""
        return [block.name for block in self.blocks if block.rewritten]


def choose_concat_free(
    graph: nn.Module,
    image: Tensor,
    mode: str,
    formats: Sequence[str],
    rounds: int,
    threads: int | None,
) -> ConcatFreeChoice | None:
    """Choose the Ghost bottlenecks to rewrite, and tell which.

    Args:
        graph: A detector in deploy form that takes an image.
        image: What the blocks are timed with, of the export's size.
        mode: One of :data:`MODES`.
        formats: Names of the formats that are written; their runtimes decide.
        rounds: Timed rounds of each block, at least 1 with ``measured``.
        threads: Of every runtime, by default as many as it chooses.

    Returns:
        The choice; ``None`` with the mode ``none``.

    Raises:
        OptionError: The mode is unknown, nothing may be timed, or the detector has no
            such block.
    """
    if mode not in MODES:
        raise OptionError(
            f"--concat-free {mode} is unknown: choose among {', '.join(MODES)}."
        )
    if mode == NONE:
        return None
    names = list(splittable_blocks(graph))
    if not names:
        raise OptionError(
            f"--concat-free {mode} needs a GhostNet, GhostNetV2 or GhostNetV3 and this "
            f"detector has none of their blocks: leave the option out."
        )
    if mode == ALL:
        blocks = tuple(
            BlockChoice(name=name, rewritten=True, gains={}) for name in names
        )
        choice = ConcatFreeChoice(mode, "Every block that can be is rewritten.", blocks)
    else:
        choice = _measured(graph, image, formats, rounds, threads)
    tell(f"concat-free: {len(choice.rewritten)} of {len(names)} blocks rewritten")
    for block in choice.blocks:
        if block.rewritten:
            tell(f"  {block}")
    return choice


def _measured(
    graph: nn.Module,
    image: Tensor,
    formats: Sequence[str],
    rounds: int,
    threads: int | None,
) -> ConcatFreeChoice:
    if rounds < 1:
        raise OptionError(
            "--concat-free measured needs --latency-rounds of 1 or more to time the "
            "blocks."
        )
    runtimes = sorted({RUNTIME_OF[name] for name in formats if name in RUNTIME_OF})
    runtimes = runtimes or ["onnxruntime"]
    size = "x".join(str(side) for side in image.shape[-2:])
    gains: dict[str, dict[str, Gain]] = {}
    for runtime in runtimes:
        tell(f"timing Ghost blocks with and without concatenation in {runtime}")
        for timing in time_blocks(graph, image, runtime, rounds, threads):
            gains.setdefault(timing.name, {})[runtime] = timing.gain
    return ConcatFreeChoice(
        MEASURED,
        f"A block is rewritten where three of four rounds at {size} found it faster "
        f"without concatenation in {' and in '.join(runtimes)}.",
        tuple(
            BlockChoice(
                name=name,
                rewritten=all(gain.is_sure for gain in found.values()),
                gains=found,
            )
            for name, found in gains.items()
        ),
    )
