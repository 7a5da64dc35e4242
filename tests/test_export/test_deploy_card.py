"""The card's verdicts, its JSON and its page."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ghostnet_mm.export.card.agreement import DetectionAgreement, Difference
from ghostnet_mm.export.card.card_page import card_page, markdown_table
from ghostnet_mm.export.card.deploy_card import (
    DeployCard,
    ExportedFormat,
    Latency,
    Tolerances,
    broken_tolerances,
)
from ghostnet_mm.export.concat_free_choice import BlockChoice, ConcatFreeChoice, Gain

EQUAL = Difference(0.0, 0.0)
AGREED = DetectionAgreement(5, 0, EQUAL, EQUAL)


def failures(outputs=None, detections=AGREED, metrics=None, reference=None):
    """Return the broken tolerances of one format."""
    return list(
        broken_tolerances(
            Tolerances(), outputs, detections, metrics or {}, reference or {}
        )
    )


def test_what_is_equal_has_no_failures():
    outputs = {"boxes": EQUAL, "scores": EQUAL}
    assert (
        failures(outputs, metrics={"bbox_mAP": 0.3}, reference={"bbox_mAP": 0.3}) == []
    )
    assert failures() == []


def test_nothing_compared_is_no_success():
    (sentence,) = failures({"boxes": EQUAL}, DetectionAgreement(0, 0, EQUAL, EQUAL))
    assert "no detection" in sentence


def test_a_rare_choice_of_nms_may_turn():
    assert failures(detections=DetectionAgreement(100, 1, EQUAL, EQUAL)) == []
    assert len(failures(detections=DetectionAgreement(100, 2, EQUAL, EQUAL))) == 1


@pytest.mark.parametrize(
    ("outputs", "word"),
    [
        ({"boxes": Difference(0.2, 0.0)}, "boxes"),
        ({"scores": Difference(0.01, 0.0)}, "scores"),
        ({"scores": Difference(float("nan"), 0.0)}, "scores"),
    ],
)
def test_raw_outputs_are_held_to_the_tolerances(outputs, word):
    (sentence,) = failures(outputs)
    assert word in sentence


@pytest.mark.parametrize(
    "detections",
    [
        DetectionAgreement(5, 1, EQUAL, EQUAL),
        DetectionAgreement(5, 0, Difference(0.5, 0.1), EQUAL),
        DetectionAgreement(5, 0, EQUAL, Difference(0.5, 0.1)),
    ],
)
@pytest.mark.parametrize("outputs", [None, {"boxes": EQUAL, "scores": EQUAL}])
def test_detections_are_held_to_mmdets(outputs, detections):
    assert len(failures(outputs, detections)) == 1


@pytest.mark.parametrize(("metric", "count"), [(0.299, 0), (0.301, 0), (0.298, 1)])
def test_a_tenth_of_a_point_is_allowed_in_both_directions(metric, count):
    found = failures(metrics={"bbox_mAP": metric}, reference={"bbox_mAP": 0.3})
    assert len(found) == count


def card(**changes) -> DeployCard:
    """Return a card with one format."""
    one = ExportedFormat(
        name="onnx",
        file="model.onnx",
        megabytes=1.5,
        outputs={"boxes": Difference(0.01, 0.001)},
        detections=AGREED,
        metrics={"bbox_mAP": 0.3},
        network=Latency(3.0, 4.0, 50),
        **changes,
    )
    return DeployCard(
        model={"name": "<retinanet> & friends"},
        machine={"processor": "some CPU"},
        pictures=3,
        scored_pictures=20,
        pytorch={"bbox_mAP": 0.3},
        tolerances=Tolerances(),
        formats=(one,),
    )


def test_the_json_carries_everything(tmp_path):
    card().write_json(tmp_path / "card.json")
    read = json.loads((tmp_path / "card.json").read_text())
    assert read["format"] == "ghostnet_mm.deploy_card/1"
    assert read["formats"][0]["outputs"]["boxes"]["largest"] == 0.01
    assert read["formats"][0]["network"] == {"median": 3.0, "p90": 4.0, "rounds": 50}
    assert read["formats"][0]["end_to_end"] is None


class Tags(HTMLParser):
    """Checks that the tags of a page are closed in order."""

    VOID = ("meta",)

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        """Remember an opened tag."""
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Expect the last one opened."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Collect the words."""
        self.text += data


@pytest.mark.parametrize("broken", [(), ("boxes differ by <much>",)])
def test_the_page_is_well_formed_and_says_the_verdict(broken):
    page = card_page(card(failures=broken))
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "<retinanet> & friends" in tags.text  # escaped in the source
    assert ("boxes differ by <much>." in tags.text) == bool(broken)
    assert ("not within tolerance" in tags.text) == bool(broken)


def test_what_was_not_measured_shows_a_dash():
    row = markdown_table(card()).splitlines()[-1]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "onnx", "1.50", "0.300", "0", "0", "0", "3.00 / 4.00", "-", "yes",
    ]  # fmt: skip


def test_rewritten_blocks_are_noted_with_their_gains(tmp_path):
    blocks = (
        BlockChoice("blocks.0.0", True, {"onnxruntime": Gain(1.25, 1.125, 1.5)}),
        BlockChoice("blocks.1.0", False, {"onnxruntime": Gain(1.0, 0.75, 1.5)}),
    )
    choice = ConcatFreeChoice("measured", "Those faster at <64>.", blocks)
    noted = replace(card(), concat_free=choice)
    tags = Tags()
    tags.feed(card_page(noted))
    assert tags.open == []
    assert "Those faster at <64>. All files hold 1 of 2 so." in tags.text
    assert "blocks.0.0, 1.25 times as fast in onnxruntime (1.12 to 1.50)" in tags.text
    assert "blocks.1.0" not in tags.text
    noted.write_json(tmp_path / "card.json")
    read = json.loads((tmp_path / "card.json").read_text())["concat_free"]
    assert read["mode"] == "measured"
    assert [one["rewritten"] for one in read["blocks"]] == [True, False]
    assert read["blocks"][1]["gains"]["onnxruntime"]["low"] == 0.75
    assert "concatenation" not in card_page(card())
