"""The mobile detectors stay within the multiply-accumulates they promise."""

import pytest

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.measuring.detector_complexity import detector_complexity


@pytest.mark.parametrize(
    ("variant", "size", "budget"),
    [("nano", 320, 0.30e9), ("small", 320, 0.5e9), ("medium", 416, 1.0e9)],
)
def test_whole_detector_is_within_its_budget(project_root, variant, size, budget):
    """Catches a wider neck or head, and a test size that grew unseen."""
    path = project_root / "configs" / f"gfl_ghostnet-{variant}_coco.py"
    cfg = load_config(path, Options(backbone_weights="none"), training=False)
    measured_size, rows = detector_complexity(cfg)
    assert measured_size == (size, size)
    assert 0.9 * budget < rows[-1].macs <= budget
