"""One runtime, step by step: plain, ranges, equalized, fastest, mixed precision."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..configuration.console import tell
from ..export.card.accuracy import LabelledPictures, coco_scores
from ..export.card.deploy_card import MAIN_METRICS, Latency
from ..export.card.format_measuring import megabytes
from ..export.exported_detector import ExportedDetector
from ..export.model_files import model_files
from ..measuring.latency import Timing, alternating_times, paired_ratios
from .kernel_times import PROFILED, KernelTime, kernel_times
from .mixed_precision import keep_worst_in_float, layer_choices
from .onnx_layers import chosen_names
from .output_error import Outputs, output_error
from .recipes import RECIPES, Recipe, usable_methods
from .report import Step
from .sensitivity import BlockSensitivity

FLOAT, EQUALISED = "float", "equalized"
SETTLING_CALLS = 1
# Of the error: a smaller gain is chance, and the network stays as it was trained.
WORTHWHILE = 0.95
# Entropy takes long and is made for classifiers: only on request.
DEFAULT_METHODS = ("minmax", "percentile")


@dataclass(frozen=True)
class Goal:
    """What the result may lose.

    Attributes:
        points: Of mAP, 0 to 100.
        error: Of the outputs, where there are no labels.
        times_faster: Than FP32; only reported, the search does not stop for it.
    """

    points: float = 1.0
    error: float = 0.05
    times_faster: float = 1.5

    def in_words(self, labelled: bool) -> str:
        """Return the goal as words."""
        accuracy = f"at most {self.error:g} output error"
        if labelled:
            accuracy = f"mAP within {self.points:g} points of FP32"
        return f"{accuracy} and {self.times_faster:g} times its speed"

    def is_met(self, reference: Step, step: Step) -> bool:
        """Whether a step is accurate enough."""
        names = [one for one in MAIN_METRICS if one in reference.metrics]
        if not names:
            return step.error.total <= self.error
        # mmdet rounds scores to three decimals.
        return all(
            100 * (reference.metrics[one] - step.metrics[one]) <= self.points + 1e-6
            for one in names
        )


@dataclass(frozen=True)
class Measuring:
    """Judges files.

    Attributes:
        images: What the network is fed to compare outputs: ``(1, 3, H, W)`` float32.
        expected: What the network in float answers.
        labelled: Pictures for mAP, or ``None``.
        rounds: Timed rounds; 0 for none.
        threads: Of every runtime.
    """

    images: Sequence[np.ndarray]
    expected: Sequence[Outputs]
    labelled: LabelledPictures | None
    rounds: int
    threads: int | None

    def step(
        self,
        runtime: str,
        name: str,
        path: Path,
        float_layers: frozenset[str] = frozenset(),
        detail: str = "",
        opened: ExportedDetector | None = None,
    ) -> Step:
        """Measure all of a file but its latency."""
        opened = opened or ExportedDetector(path, self.threads)
        actual = [opened.model.run(one) for one in self.images]
        metrics: Mapping[str, float] = {}
        if self.labelled is not None:
            metrics = coco_scores(self.labelled, opened.detect)
        error = output_error(self.expected, actual)
        told = "".join(f", {k} {metrics[k]:.3f}" for k in MAIN_METRICS if k in metrics)
        tell(f"{runtime}, {name}: output error {error.total:.4f}{told}")
        return Step(
            runtime, name, detail, megabytes(model_files(path)), metrics, error,
            tuple(sorted(float_layers)),
        )  # fmt: skip

    def times(self, files: Mapping[str, ExportedDetector]) -> dict[str, list[float]]:
        """Time networks in turns: milliseconds by name."""
        image = self.images[0]
        passes = {
            name: (lambda one=one: one.model.run(image)) for name, one in files.items()
        }
        return alternating_times(passes, self.rounds, settling=SETTLING_CALLS)


class RuntimeSteps:
    """Goes through the steps of one runtime.

    Args:
        runtime: Its name.
        sources: The ONNX files in float: as trained, and equalized.
        images: Calibration images, as the network is fed them.
        measuring: Judges files.
        ranking: Blocks, the most sensitive first.
        work: A folder for the files.
        goal: What the result may lose.
        float_names: Layers or blocks that stay in float in any case.
        methods: Ways to choose the ranges of activations that are tried.

    Attributes:
        result: The file of the last step.
        choices: Milliseconds of the sets of layers that were tried.
        kernels: Where FP32, the first plain step and the result spend their time.
        missed: A sentence where the result misses the goal.
    """

    def __init__(
        self,
        runtime: str,
        sources: Mapping[str, Path],
        images: Sequence[np.ndarray],
        measuring: Measuring,
        ranking: Sequence[BlockSensitivity],
        work: Path,
        goal: Goal,
        float_names: Sequence[str] = (),
        methods: Sequence[str] = DEFAULT_METHODS,
    ):
        self.runtime, self.measuring, self.ranking = runtime, measuring, ranking
        self.work, self.goal = work, goal
        self._recipes: dict[str, Recipe] = {
            name: RECIPES[runtime](sources[name], images) for name in (FLOAT, EQUALISED)
        }
        self._methods = usable_methods(self._recipes[FLOAT], methods)
        self._always_float = chosen_names(self._recipes[FLOAT].layers, float_names)
        self._steps: list[Step] = []
        self._files: list[ExportedDetector] = []
        self._paths: list[Path] = []
        self.choices: dict[str, float] = {}
        self.kernels: dict[str, list[KernelTime]] = {}
        self.missed = ""

    @property
    def suffix(self) -> str:
        """Of the files."""
        return self._recipes[FLOAT].suffix

    @property
    def result(self) -> Path:
        """The file of the last step."""
        return self._paths[-1]

    def run(self) -> list[Step]:
        """Quantize and measure; the last step is the result."""
        recipe = self._recipes[FLOAT]
        exact = self._add("FP32", recipe.write_float(self._path("fp32")))
        if self.runtime == "openvino":
            path = self._paths[-1]
            half = ExportedDetector(path, self.measuring.threads, precision="bf16")
            self._add("bf16", path, opened=half)
        for number, name in enumerate(recipe.plain_steps):
            path = self._path(f"plain{number}")
            self._add(name, recipe.write_plain(name, self._methods[0], path))
        method = self._choose_ranges(recipe)
        source = self._choose_source(method)
        recipe = self._recipes[source]
        start = self._fastest_layers(recipe, method) | self._always_float
        self._mixed(recipe, method, start, exact, source)
        steps = self._timed()
        self._judge(steps)
        return steps

    def _path(self, name: str) -> Path:
        # Runtimes keep files open: none is ever overwritten.
        number = len(list(self.work.iterdir()))
        return self.work / f"{self.runtime}-{number}-{name}{self.suffix}"

    def _add(
        self,
        name: str,
        path: Path,
        float_layers: frozenset[str] = frozenset(),
        detail: str = "",
        opened: ExportedDetector | None = None,
    ) -> Step:
        opened = opened or ExportedDetector(path, self.measuring.threads)
        step = self.measuring.step(
            self.runtime, name, path, float_layers, detail, opened
        )
        self._steps.append(step)
        self._files.append(opened)
        self._paths.append(path)
        return step

    def _choose_ranges(self, recipe: Recipe) -> str:
        """Try other ways to choose ranges; return the one of the smallest error."""
        errors = {self._methods[0]: self._steps[-1].error.total}
        for method in self._methods[1:]:
            path = recipe.write_plain(
                recipe.plain_steps[-1], method, self._path(method)
            )
            errors[method] = self._add(f"{method} ranges", path).error.total
        return min(errors, key=errors.__getitem__)

    def _choose_source(self, method: str) -> str:
        """Try the equalized network; return the better source."""
        recipe = self._recipes[EQUALISED]
        before = min(
            one.error.total for one in self._steps if one.name not in ("FP32", "bf16")
        )
        path = recipe.write_plain(recipe.plain_steps[-1], method, self._path(EQUALISED))
        step = self._add("equalized", path, detail=f"{method} ranges")
        return EQUALISED if step.error.total < WORTHWHILE * before else FLOAT

    def _fastest_layers(self, recipe: Recipe, method: str) -> frozenset[str]:
        """Time sets of layers in INT8 and return the fastest one's float layers."""
        if not self.measuring.rounds:
            return frozenset()
        every = {one.name for one in recipe.layers}
        sets = {
            name: layers | self._always_float
            for name, layers in layer_choices(recipe.layers).items()
            if every - layers - self._always_float
        }
        files = {
            name: ExportedDetector(
                recipe.write_int8(layers, method, self._path("choice")),
                self.measuring.threads,
            )
            for name, layers in sets.items()
        }
        times = self.measuring.times(files)
        self.choices = {name: statistics.median(each) for name, each in times.items()}
        return sets[min(self.choices, key=self.choices.__getitem__)]

    def _mixed(
        self,
        recipe: Recipe,
        method: str,
        start: frozenset[str],
        exact: Step,
        source: str,
    ) -> None:
        tried: list[tuple[Path, Step]] = []

        def measure(layers: frozenset[str]) -> Step:
            path = recipe.write_int8(layers, method, self._path("mixed"))
            words = f"{method} ranges{', equalized' if source == EQUALISED else ''}"
            step = self.measuring.step(
                self.runtime, "fastest layers", path, layers, words
            )
            tried.append((path, step))
            return step

        found = keep_worst_in_float(
            self.ranking, measure, lambda step: self.goal.is_met(exact, step), start
        )
        if found.kept:
            first_path, first = tried[0]
            self._record(first_path, first)
            detail = f"{found.trial.detail}; {len(found.kept)} blocks added"
            last = replace(found.trial, name="mixed precision", detail=detail)
            self._record(tried[-1][0], last)
        else:
            self._record(tried[0][0], found.trial)

    def _record(self, path: Path, step: Step) -> None:
        self._steps.append(step)
        self._paths.append(path)
        self._files.append(ExportedDetector(path, self.measuring.threads))

    def _timed(self) -> list[Step]:
        if not self.measuring.rounds:
            return self._steps
        tell(f"{self.runtime}: timing, {self.measuring.rounds} rounds")
        self._profile()
        times = self.measuring.times(
            {str(index): one for index, one in enumerate(self._files)}
        )
        return [
            replace(
                step,
                latency=Latency(
                    Timing(tuple(times[str(index)])).median,
                    Timing(tuple(times[str(index)])).p90,
                    self.measuring.rounds,
                ),
                times_faster=paired_ratios(times["0"], times[str(index)]),
            )
            for index, step in enumerate(self._steps)
        ]

    def _profile(self) -> None:
        if self.suffix not in PROFILED:
            return
        plain = self._recipes[FLOAT].plain_steps[0]
        last = len(self._steps) - 1
        for index, step in enumerate(self._steps):
            if step.name in ("FP32", plain) or index == last:
                given = self._files[index].model.description.input.name
                self.kernels[step.name] = kernel_times(
                    self._paths[index],
                    {given: self.measuring.images[0]},
                    self.measuring.rounds,
                    self.measuring.threads,
                )

    def _judge(self, steps: Sequence[Step]) -> None:
        """Say what of the goal the result misses."""
        exact, last = steps[0], steps[-1]
        reasons = []
        if not self.goal.is_met(exact, last):
            reasons.append("its accuracy is below the goal")
        speed = last.times_faster
        if speed is not None and speed[0] < self.goal.times_faster:
            reasons.append(
                f"it is {speed[0]:.2f} times as fast as FP32, not "
                f"{self.goal.times_faster:g}"
            )
        if reasons:
            self.missed = f"{self.runtime}: {' and '.join(reasons)}."
