"""Many deploy cards in two tables."""

from dataclasses import replace

import pytest
from support.reading_tables import cells_of
from support.running_tools import run_here
from support.sample_cards import sample_card, sample_format

from ghostnet_mm.export.card.agreement import DetectionAgreement, Difference
from ghostnet_mm.export.card.deploy_card import Latency

EXACT = DetectionAgreement(9, 0, Difference(4.6e-5, 0.0), Difference(0.0, 0.0))
ONNX = sample_format(
    detections=EXACT, metrics={"bbox_mAP": 0.2504}, end_to_end=Latency(5.0, 6.0, 9)
)
NCNN = sample_format("ncnn", detections=EXACT, metrics={})
PYTORCH = dict(pytorch={"bbox_mAP": 0.25}, pytorch_end_to_end=Latency(21.0, 30.0, 9))
CARD = sample_card(ONNX, pytorch_padded={"bbox_mAP": 0.251}, **PYTORCH)
OTHER = sample_card(NCNN, name="b", **PYTORCH)


def test_every_detector_and_format_has_its_cell(tmp_path):
    for name, card in (("a", CARD), ("b", OTHER)):
        (tmp_path / name).mkdir()
        card.write_json(tmp_path / name / "deploy_card.json")
    done = run_here("list_cards", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    head, _, a, b, speed_head, _, speed_a, speed_b = cells_of(done.stdout)
    assert head[3:] == ["PyTorch", "padded", "onnx", "ncnn"]
    assert a == ["a", "320x320", "2.06", "0.250", "0.251", "0.250 (5e-05)", "-"]
    assert b[3:] == ["0.250", "-", "-", "- (5e-05)"]
    assert speed_head[2:] == ["PyTorch", "onnx", "ncnn"]
    assert speed_a[2:] == ["21.00", "5.00 (4.2x)", "-"]
    assert speed_b[2:] == ["21.00", "-", "-"]


def test_a_broken_tolerance_is_an_error(tmp_path):
    broken = replace(CARD, formats=(replace(ONNX, failures=("boxes differ",)),))
    broken.write_json(tmp_path / "deploy_card.json")
    done = run_here("list_cards", "deploy_card.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "**0.250 (5e-05)**" in done.stdout
    assert done.stderr == "error: Tolerances were not kept by onnx of a.\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "does not exist"), ("{", "not valid JSON"), ("[]", "no deploy card")],
)
def test_what_is_no_card_is_told(content, says, tmp_path):
    if content is not None:
        (tmp_path / "card.json").write_text(content)
    done = run_here("list_cards", "card.json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr


def test_a_folder_without_cards_is_told(tmp_path):
    done = run_here("list_cards", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert "ghostnet export first" in done.stderr
