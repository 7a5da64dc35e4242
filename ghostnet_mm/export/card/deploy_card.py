"""The deploy card: what was exported, how close it is, and how fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ...reporting.records import Record
from ..concat_free_choice import ConcatFreeChoice
from .agreement import DetectionAgreement, Difference
from .first_divergence import Divergence

MAIN_METRICS = ("bbox_mAP", "segm_mAP")


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one picture.

    Attributes:
        median: Of all rounds.
        p90: The value that nine of ten rounds stay below.
        rounds: How many there were.
    """

    median: float
    p90: float
    rounds: int


@dataclass(frozen=True)
class ExportedFormat:
    """One exported file, measured.

    Attributes:
        name: Such as ``onnx`` or ``onnx-nms``.
        file: The file's name, beside the card.
        megabytes: Size of the model, weights included.
        outputs: Differences of the raw outputs by name; ``None`` where they have no
            counterpart, as with NMS in the graph.
        detections: Agreement of the final detections with mmdet's.
        metrics: COCO scores by name; empty where they were not asked for.
        network: Latency of the network alone; ``None`` where not measured.
        end_to_end: Latency from picture to boxes; ``None`` where not measured.
        divergence: The first layer that differs, where the outputs do.
        failures: Sentences: each a tolerance that was not kept.
    """

    name: str
    file: str
    megabytes: float
    outputs: Mapping[str, Difference] | None
    detections: DetectionAgreement
    metrics: Mapping[str, float]
    network: Latency | None = None
    end_to_end: Latency | None = None
    divergence: Divergence | None = None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tolerances:
    """What an exported model may differ by.

    Attributes:
        box: Pixels of the network's input (raw outputs) or of the picture; for raw
            boxes beyond the input see `raw_differences`.
        score: Of probabilities.
        points: Of mAP, 0 to 100.
        unmatched: Share of detections without a counterpart. Rounding may turn a
            choice of NMS between boxes of nearly equal scores.
    """

    box: float = 0.1
    score: float = 1e-3
    points: float = 0.1
    unmatched: float = 0.01


@dataclass(frozen=True)
class ExportedModel:
    """What all formats were made of.

    Attributes:
        name: Of the files.
        config: Name of its config file; ``None`` for one made in Python.
        classes: How many.
        input: Height and width, such as ``320x320`` or ``anyxany``.
        parameters: In the deploy form.
    """

    name: str
    config: str | None
    classes: int
    input: str
    parameters: int


@dataclass(frozen=True)
class DeployCard(Record):
    """All formats of one detector.

    Attributes:
        model: What they were made of.
        machine: Processor, threads and library versions.
        pictures: How many real pictures the differences were taken on.
        scored_pictures: How many the COCO scores were.
        pytorch: COCO scores of mmdet's own inference.
        pytorch_padded: The same with every picture fit into the files' fixed size and
            padded to it; empty where that is nothing else. Files of a fixed size are
            held to these, if there are any.
        pytorch_network: Latency of the network in eager PyTorch.
        pytorch_end_to_end: Latency of mmdet's own inference.
        formats: The exported files.
        concat_free: Which blocks they hold without concatenation; ``None`` for none.
    """

    KIND: ClassVar = ("deploy card", "export the detector anew")

    model: ExportedModel
    machine: Mapping[str, str | int]
    pictures: int
    scored_pictures: int
    pytorch: Mapping[str, float]
    tolerances: Tolerances
    formats: tuple[ExportedFormat, ...]
    pytorch_padded: Mapping[str, float] = field(default_factory=dict)
    pytorch_network: Latency | None = None
    pytorch_end_to_end: Latency | None = None
    concat_free: ConcatFreeChoice | None = None
    format: Literal["ghostnet_mm.deploy_card/2"] = "ghostnet_mm.deploy_card/2"

    @property
    def failures(self) -> list[str]:
        """Every tolerance that was not kept, with the format's name."""
        return [
            f"{exported.name}: {sentence}"
            for exported in self.formats
            for sentence in exported.failures
        ]


def broken_tolerances(
    tolerances: Tolerances,
    outputs: Mapping[str, Difference] | None,
    detections: DetectionAgreement,
    metrics: Mapping[str, float],
    reference: Mapping[str, float],
) -> Iterator[str]:
    """Yield a sentence for each tolerance that an exported model does not keep."""
    for name, gap in (outputs or {}).items():
        allowed = tolerances.box if name == "boxes" else tolerances.score
        if not gap.largest <= allowed:  # NaN is a difference too
            yield f"{name} differ by up to {gap.largest:.3g}, more than {allowed:g}"
    if not detections.pairs:
        yield "no detection was compared: mmdet and the file have none in common"
    if detections.unmatched > tolerances.unmatched * detections.pairs:
        yield (
            f"{detections.unmatched} detections have no counterpart, beside "
            f"{detections.pairs} pairs"
        )
    if not detections.box.largest <= tolerances.box:
        yield (
            f"detected boxes differ by up to {detections.box.largest:.3g} px, more "
            f"than {tolerances.box:g}"
        )
    if not detections.score.largest <= tolerances.score:
        yield (
            f"detected scores differ by up to {detections.score.largest:.3g}, more "
            f"than {tolerances.score:g}"
        )
    for metric in MAIN_METRICS:
        if metric not in metrics:
            continue
        points = 100 * abs(metrics[metric] - reference[metric])
        # mmdet rounds scores to three decimals: 0.1 points are 0.100000001 apart.
        if points > tolerances.points + 1e-6:
            yield f"{metric} is {points:.1f} points away from PyTorch's"
