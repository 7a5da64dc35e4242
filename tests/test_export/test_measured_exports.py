"""A card is written whatever a file computes."""

import numpy as np
import pytest
from support.random_detectors import build

from ghostnet_mm.configuration.command_line import run_tool
from ghostnet_mm.engine.inference.detection import TrainedDetector, picture_pipeline
from ghostnet_mm.errors import DataError
from ghostnet_mm.export import exporting
from ghostnet_mm.export.card.deploy_card import DeployCard
from ghostnet_mm.export.card.export_request import ExportRequest
from ghostnet_mm.export.exported_detector import ExportedDetector
from ghostnet_mm.export.exporting import export_detector

REQUEST = ExportRequest(
    formats=["torchscript"],
    pictures=[np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)],
    size=(64, 64),
    rounds=1,
)


@pytest.fixture(scope="module")
def detector():
    cfg, model = build("yolox_ghostnet-nano_coco")
    model.cfg = cfg
    classes = tuple(map(str, range(80)))
    return TrainedDetector(model, classes, picture_pipeline(cfg))


def test_a_file_that_computes_no_numbers_is_a_failure_on_the_card(
    detector, monkeypatch, tmp_path
):
    def detect(self, pixels):
        raise DataError(
            "Of 9 detections 2 have a box that is no number: the model's ..."
        )

    monkeypatch.setattr(ExportedDetector, "detect", detect)
    export_detector(detector, tmp_path / "out", "a", REQUEST)
    card = DeployCard.read(tmp_path / "out" / "deploy_card.json")
    (exported,) = card.formats
    assert exported.failures[-1] == "Of 9 detections 2 have a box that is no number"
    assert exported.detections.pairs == 0
    assert (tmp_path / "out" / "a.pt").is_file()
    assert "is no number" in (tmp_path / "out" / "deploy_card.html").read_text()


def test_an_interrupted_measurement_keeps_the_files(
    detector, monkeypatch, tmp_path, capsys
):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "measured_card", interrupted)
    out = tmp_path / "out"
    assert run_tool(export_detector, detector, out, "a", REQUEST) == 130
    kept = sorted(file.name for file in tmp_path.rglob("*") if file.is_file())
    assert kept == ["a.json", "a.pt"]
    told = capsys.readouterr()
    assert "a.json, a.pt in " in told.out + told.err
    assert "deploy_card.json and deploy_card.html are missing" in told.out + told.err
