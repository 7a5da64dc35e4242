"""Measuring where the concat-free form of Ghost bottlenecks is faster."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from ghostnet_runtime.backends import openvino_settings
from torch import Tensor, nn

from ..errors import OptionError
from ..fusion.concat_free import concat_free, splittable_blocks
from ..measuring.latency import Gain, alternating_times, paired_ratios, torch_threads
from ..measuring.onnx_runtime_profile import open_session
from ..reporting.tables import Table
from .formats.libraries import import_library

RUNTIMES = ("torch", "onnxruntime", "openvino")
WHOLE = "whole network, all blocks"
KEPT = "whole network, faster blocks"


@dataclass(frozen=True)
class PairTiming:
    """A network or block beside its concat-free form in one runtime.

    Attributes:
        name: Which block, or :data:`WHOLE` or :data:`KEPT`.
        shape: Of its input, ``(N, C, H, W)``.
        runtime: One of :data:`RUNTIMES`.
        joined: Median milliseconds with concatenation.
        halved: Median milliseconds without.
        gain: Joined / halved over the rounds; above 1 the concat-free form is faster.
    """

    name: str
    shape: tuple[int, ...]
    runtime: str
    joined: float
    halved: float
    gain: Gain


def onnx_bytes(module: nn.Module, x: Tensor) -> bytes:
    """Return the ONNX file of a module for inputs of the shape of ``x``."""
    # torch's exporter needs it.
    import_library("onnxscript", "onnx")
    program = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
    assert program is not None
    serialized: bytes = program.model_proto.SerializeToString()
    return serialized


def runner(
    module: nn.Module, x: Tensor, runtime: str, threads: int | None
) -> Callable[[], object]:
    """Return a function that runs a module on one input in a runtime, in float32.

    Args:
        module: In eval mode.
        x: Its input.
        runtime: One of :data:`RUNTIMES`.
        threads: By default as many as the runtime chooses; for PyTorch, set them around
            the call with ``torch_threads``.

    Raises:
        OptionError: The runtime is not installed or not known.
    """
    if runtime == "torch":

        def run() -> object:
            with torch.inference_mode():
                return module(x)

        return run
    if runtime == "onnxruntime":
        session = open_session(onnx_bytes(module, x), threads)
        feed = {session.get_inputs()[0].name: x.contiguous().numpy()}
        return partial(session.run, None, feed)
    if runtime == "openvino":
        return _openvino_runner(onnx_bytes(module, x), x, threads)
    raise OptionError(
        f"There is no runtime {runtime}: choose from {', '.join(RUNTIMES)}."
    )


def _openvino_runner(
    file: bytes, x: Tensor, threads: int | None
) -> Callable[[], object]:
    openvino = import_library("openvino", "openvino")
    core = openvino.Core()
    model = core.read_model(file)
    compiled = core.compile_model(model, "CPU", openvino_settings(threads))
    request = compiled.create_infer_request()
    feed = [x.contiguous().numpy()]

    def run() -> object:
        results = request.infer(feed, share_outputs=True)
        return [results[port] for port in compiled.outputs]

    return run


def time_pair(
    name: str,
    joined: nn.Module,
    halved: nn.Module,
    x: Tensor,
    runtime: str,
    rounds: int,
    threads: int | None,
) -> PairTiming:
    """Time a module and its concat-free form in turns."""
    passes = {
        "joined": runner(joined, x, runtime, threads),
        "halved": runner(halved, x, runtime, threads),
    }
    with torch_threads(threads):
        times = alternating_times(passes, rounds, warm_up=10, settling=2)
    return PairTiming(
        name,
        tuple(x.shape),
        runtime,
        statistics.median(times["joined"]),
        statistics.median(times["halved"]),
        paired_ratios(times["joined"], times["halved"]),
    )


def block_inputs(deployed: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """Return what every bottleneck gets to see, by its name, in order."""
    inputs: dict[str, Tensor] = {}
    handles = []
    for name, block in splittable_blocks(deployed).items():

        def note(_: nn.Module, args: tuple[Tensor, ...], name: str = name) -> None:
            inputs[name] = args[0].clone()

        handles.append(block.register_forward_pre_hook(note))
    try:
        with torch.no_grad():
            deployed(image)
    finally:
        for handle in handles:
            handle.remove()
    return inputs


def time_blocks(
    deployed: nn.Module, image: Tensor, runtime: str, rounds: int, threads: int | None
) -> Iterator[PairTiming]:
    """Time every bottleneck of a deployed model alone, in order.

    Args:
        deployed: A model in deploy form that takes an image.
        image: What it runs on, ``(N, C, H, W)``.
        runtime: One of :data:`RUNTIMES`.
        rounds: Timed rounds of each bottleneck, at least 1.
        threads: Of the runtime, by default as many as it chooses.
    """
    halved = concat_free(deployed)
    for name, x in block_inputs(deployed, image).items():
        pair = deployed.get_submodule(name), halved.get_submodule(name)
        yield time_pair(name, *pair, x, runtime, rounds, threads)


def time_network(
    deployed: nn.Module,
    image: Tensor,
    runtime: str,
    rounds: int,
    threads: int,
    only: Sequence[str] | None = None,
) -> PairTiming:
    """Time a whole backbone; ``only`` names the blocks to rewrite, by default all."""
    name = WHOLE if only is None else KEPT
    halved = concat_free(deployed, only)
    return time_pair(name, deployed, halved, image, runtime, rounds, threads)


def timings_table(timings: Sequence[PairTiming]) -> Table:
    """Return a row per block and a column per runtime."""
    runtimes = list(dict.fromkeys(timing.runtime for timing in timings))
    shapes = {timing.name: timing.shape[1:] for timing in timings}
    cells = {
        (timing.name, timing.runtime): f"{timing.joined:.3f} -> {timing.halved:.3f} "
        f"ms, {timing.gain}"
        for timing in timings
    }
    rows = [
        (
            name,
            " x ".join(str(side) for side in shape),
            *(cells.get((name, runtime)) for runtime in runtimes),
        )
        for name, shape in shapes.items()
    ]
    return Table.of(("block", "input", *runtimes), rows, text_columns=2)
