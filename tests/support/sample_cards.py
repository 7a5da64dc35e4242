"""Deploy cards as tools/export.py writes them, without an export."""

from dataclasses import replace

from ghostnet_mm.export.card.agreement import DetectionAgreement, Difference
from ghostnet_mm.export.card.deploy_card import (
    DeployCard,
    ExportedFormat,
    ExportedModel,
    Latency,
    Tolerances,
)

EQUAL = Difference(0.0, 0.0)
AGREED = DetectionAgreement(5, 0, EQUAL, EQUAL)


def sample_format(name="onnx", **changes) -> ExportedFormat:
    """Return a format that agrees with mmdet but for a digit."""
    exported = ExportedFormat(
        name=name,
        file=f"model.{name}",
        megabytes=1.5,
        outputs={"boxes": Difference(0.01, 0.001)},
        detections=AGREED,
        metrics={"bbox_mAP": 0.3},
        network=Latency(3.0, 4.0, 50),
    )
    return replace(exported, **changes)


def sample_card(*formats: ExportedFormat, name="a", **changes) -> DeployCard:
    """Return a card of these formats, by default of one."""
    card = DeployCard(
        model=ExportedModel(name, "a.py", 10, "320x320", 2_055_000),
        machine={"processor": "some CPU", "threads": 2},
        pictures=3,
        scored_pictures=20,
        pytorch={"bbox_mAP": 0.3},
        tolerances=Tolerances(),
        formats=formats or (sample_format(),),
    )
    return replace(card, **changes)
