"""One runtime, step by step: plain, ranges, equalized, fastest, mixed precision."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..configuration.console import tell
from ..export.card.deploy_card import Latency
from ..export.exported_detector import ExportedDetector
from ..measuring.latency import Timing, paired_ratios
from .kernel_times import PROFILERS, KernelTime, kernel_times
from .mixed_precision import keep_worst_in_float, layer_choices
from .onnx_layers import chosen_names
from .runtimes.quantizer import Quantizer
from .runtimes.registry import QUANTIZERS, usable_methods
from .sensitivity import BlockSensitivity
from .steps import Step, StepMeasuring

EXACT = "FP32"
EQUALIZED = "equalized"
# Of the error: a smaller gain is chance, and the network stays as it was trained.
WORTHWHILE = 0.95


@dataclass(frozen=True)
class FloatSources:
    """What is quantized.

    Attributes:
        as_trained: The ONNX file in float.
        equalized: The same network with equalized weights.
        images: Calibration images, as the network is fed them.
    """

    as_trained: Path
    equalized: Path
    images: Sequence[np.ndarray]


@dataclass(frozen=True)
class MeasuredFile:
    """A step with its file.

    Attributes:
        step: What was measured.
        opened: The file, open.
    """

    step: Step
    opened: ExportedDetector

    @property
    def path(self) -> Path:
        """The file."""
        return self.opened.model.path


class RuntimeSteps:
    """Goes through the steps of one runtime.

    Args:
        runtime: Its name.
        sources: The network.
        measuring: Measures files.
        ranking: Blocks, the most sensitive first.
        work: A folder for the files.
        after_step: Called with the steps so far.

    Attributes:
        files: The steps; the last is the result.
        choices: Milliseconds of the sets of layers that were tried.
        kernels: Where FP32, the first plain step and the result spend their time.
        missed: A sentence where the result misses the goal.
    """

    def __init__(
        self,
        runtime: str,
        sources: FloatSources,
        measuring: StepMeasuring,
        ranking: Sequence[BlockSensitivity],
        work: Path,
        after_step: Callable[[list[Step]], object] = lambda steps: None,
    ):
        self.runtime, self.measuring, self.work = runtime, measuring, work
        self.request, self.after_step = measuring.request, after_step
        quantizer = QUANTIZERS[runtime]
        self._as_trained = quantizer(sources.as_trained, sources.images)
        self._equalized = quantizer(sources.equalized, sources.images)
        self._methods = usable_methods(runtime, self.request.methods)
        layers = self._as_trained.layers
        self._always_float = chosen_names(layers, self.request.float_names)
        # Blocks are ranked in ONNX Runtime; not every layer is INT8 in all.
        usable = {layer.name for layer in layers}
        self._ranking = [
            replace(block, layers=tuple(n for n in block.layers if n in usable))
            for block in ranking
        ]
        self._numbers = itertools.count()
        self.files: list[MeasuredFile] = []
        self.choices: dict[str, float] = {}
        self.kernels: dict[str, list[KernelTime]] = {}
        self.missed = ""

    @property
    def steps(self) -> list[Step]:
        """What was measured so far."""
        return [file.step for file in self.files]

    def run(self) -> None:
        """Quantize and measure."""
        plain = self._as_trained
        exact = self._add(EXACT, plain.write_float(self._path("fp32")))
        if plain.half_precision:
            name = plain.half_precision
            self._add(name, exact.path, self.measuring.open(exact.path, name))
        for number, name in enumerate(plain.plain_steps):
            path = self._path(f"plain{number}")
            plain.write_plain(path, name, self._methods[0])
            self._add(name, path)
        method = self._choose_ranges()
        quantizer = self._choose_source(method)
        start = self._fastest_layers(quantizer, method) | self._always_float
        self._keep_worst(quantizer, method, start)
        if self.request.rounds:
            self._profile()
            self._time()
        self._judge()

    def _path(self, name: str) -> Path:
        # Runtimes keep files open: none is ever overwritten.
        number, suffix = next(self._numbers), self._as_trained.suffix
        return self.work / f"{self.runtime}-{number}-{name}{suffix}"

    def _add(
        self, name: str, path: Path, opened: ExportedDetector | None = None
    ) -> MeasuredFile:
        opened = opened or self.measuring.open(path)
        return self._record(
            MeasuredFile(self.measuring.step(self.runtime, name, opened), opened)
        )

    def _record(self, file: MeasuredFile) -> MeasuredFile:
        self.files.append(file)
        self.after_step(self.steps)
        return file

    def _choose_ranges(self) -> str:
        """Try other ways to choose ranges; return the one of the smallest error."""
        plain, (first, *others) = self._as_trained, self._methods
        errors = {first: self.files[-1].step.error.total}
        for method in others:
            path = self._path(method)
            plain.write_plain(path, plain.plain_steps[-1], method)
            errors[method] = self._add(f"{method} ranges", path).step.error.total
        return min(errors, key=errors.__getitem__)

    def _choose_source(self, method: str) -> Quantizer:
        """Try the equalized network; return the better source."""
        float_steps = (EXACT, self._as_trained.half_precision)
        before = min(
            step.error.total for step in self.steps if step.name not in float_steps
        )
        path, last = self._path(EQUALIZED), self._equalized.plain_steps[-1]
        self._equalized.write_plain(path, last, method)
        after = self._add(EQUALIZED, path).step.error.total
        return self._equalized if after < WORTHWHILE * before else self._as_trained

    def _fastest_layers(self, quantizer: Quantizer, method: str) -> frozenset[str]:
        """Time sets of layers in INT8 and return the fastest one's float layers."""
        if not self.request.rounds:
            return frozenset()
        every = {layer.name for layer in quantizer.layers}
        sets = {
            name: layers | self._always_float
            for name, layers in layer_choices(quantizer.layers).items()
            if every - layers - self._always_float
        }
        files = {
            name: self.measuring.open(
                quantizer.write_int8(self._path("choice"), layers, method)
            )
            for name, layers in sets.items()
        }
        times = self.measuring.times(files)
        self.choices = {name: statistics.median(each) for name, each in times.items()}
        return sets[min(self.choices, key=self.choices.__getitem__)]

    def _keep_worst(
        self, quantizer: Quantizer, method: str, start: frozenset[str]
    ) -> None:
        detail = f"{method} ranges"
        if quantizer is self._equalized:
            detail += f", {EQUALIZED}"
        last: list[MeasuredFile] = []

        def measure(layers: frozenset[str]) -> Step:
            opened = self.measuring.open(
                quantizer.write_int8(self._path("mixed"), layers, method)
            )
            step = self.measuring.step(
                self.runtime, "fastest layers", opened, layers, detail
            )
            file = MeasuredFile(step, opened)
            if not last:
                self._record(file)
            last[:] = [file]
            return step

        kept, step = keep_worst_in_float(
            self._ranking, measure, self._is_accurate, start
        )
        if kept:
            detail = f"{detail}; {len(kept)} blocks added"
            step = replace(step, name="mixed precision", detail=detail)
            self._record(replace(last[0], step=step))

    def _is_accurate(self, step: Step) -> bool:
        exact = self.files[0].step
        return self.request.goal.is_met(exact.metrics, step.metrics, step.error)

    def _time(self) -> None:
        """Time all files in turns."""
        rounds = self.request.rounds
        tell(f"{self.runtime}: timing, {rounds} rounds")
        numbered = {str(index): file.opened for index, file in enumerate(self.files)}
        times = list(self.measuring.times(numbered).values())
        for index, milliseconds in enumerate(times):
            timing = Timing(tuple(milliseconds))
            step = replace(
                self.files[index].step,
                latency=Latency(timing.median, timing.p90, rounds),
                times_faster=paired_ratios(times[0], milliseconds),
            )
            self.files[index] = replace(self.files[index], step=step)

    def _profile(self) -> None:
        """See where FP32, the first plain step and the result spend their time."""
        if self.files[0].path.suffix not in PROFILERS:
            return
        compared = (EXACT, self._as_trained.plain_steps[0])
        for file in self.files:
            if file.step.name in compared or file is self.files[-1]:
                model = file.opened.model
                self.kernels[file.step.name] = kernel_times(
                    file.path,
                    {model.description.input.name: self.measuring.images[0]},
                    self.request.rounds,
                    self.request.threads,
                )

    def _judge(self) -> None:
        """Say what of the goal the result misses."""
        last, goal, reasons = self.files[-1].step, self.request.goal, []
        if not self._is_accurate(last):
            reasons.append("its accuracy is below the goal")
        speed = last.times_faster
        if speed is not None and speed.median < goal.times_faster:
            reasons.append(
                f"it is {speed.median:.2f} times as fast as FP32, not "
                f"{goal.times_faster:g}"
            )
        if reasons:
            self.missed = f"{self.runtime}: {' and '.join(reasons)}."
