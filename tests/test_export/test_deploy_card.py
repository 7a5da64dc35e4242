"""The card's verdicts, its JSON and its page."""

import json
import math
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from support.reading_tables import cells_of
from support.sample_cards import AGREED, EQUAL, sample_card, sample_format

from ghostnet_mm.errors import DataError
from ghostnet_mm.export.card.agreement import DetectionAgreement, Difference
from ghostnet_mm.export.card.card_page import card_page, formats_table
from ghostnet_mm.export.card.deploy_card import (
    DeployCard,
    Latency,
    Tolerances,
    broken_tolerances,
)
from ghostnet_mm.export.card.first_divergence import Divergence
from ghostnet_mm.export.concat_free_choice import BlockChoice, ConcatFreeChoice, Gain


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


BLOCKS = (
    BlockChoice(
        name="blocks.0.0",
        rewritten=True,
        gains={"onnxruntime": Gain(1.25, 1.125, 1.5)},
    ),
    BlockChoice(name="blocks.1.0", rewritten=False, gains={}),
)
FULL = sample_card(
    sample_format(outputs=None, network=None, divergence=Divergence("neck", 0.25)),
    sample_format("ncnn", failures=("boxes differ by <much>",)),
    name="<retinanet> & friends",
    pytorch_padded={"bbox_mAP": 0.29},
    pytorch_end_to_end=Latency(21.0, 30.5, 9),
    concat_free=ConcatFreeChoice("measured", "Those faster at <64>.", BLOCKS),
)


@pytest.mark.parametrize("card", [FULL, sample_card()])
def test_a_card_reads_itself_back(card, tmp_path):
    card.write_json(tmp_path / "card.json")
    again = DeployCard.read(tmp_path / "card.json")
    assert again == card
    again.write_json(tmp_path / "again.json")
    texts = [(tmp_path / f"{name}.json").read_bytes() for name in ("card", "again")]
    assert texts[0] == texts[1]


def test_a_difference_that_is_no_number_and_a_count_of_none_are_kept(tmp_path):
    lost = DetectionAgreement(0, 0, Difference(math.nan, math.inf), EQUAL)
    sample_card(sample_format(detections=lost)).write_json(tmp_path / "card.json")
    (exported,) = DeployCard.read(tmp_path / "card.json").formats
    assert math.isnan(exported.detections.box.largest)
    assert exported.detections.box.mean == math.inf
    assert exported.detections.pairs == 0


def test_the_json_is_what_other_programs_read(tmp_path):
    FULL.write_json(tmp_path / "card.json")
    read = json.loads((tmp_path / "card.json").read_text())
    assert read["format"] == "ghostnet_mm.deploy_card/2"
    assert read["model"]["parameters"] == 2_055_000
    assert read["formats"][1]["outputs"]["boxes"]["largest"] == 0.01
    assert read["formats"][1]["network"] == {"median": 3.0, "p90": 4.0, "rounds": 50}
    assert read["formats"][0]["end_to_end"] is None
    assert read["concat_free"]["blocks"][0]["gains"]["onnxruntime"]["low"] == 1.125


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda card: card.pop("machine"), "machine is missing"),
        (lambda card: card.update(checkpoint="a.pth"), "checkpoint is not known"),
        (
            lambda card: card["formats"][1]["detections"]["box"].pop("mean"),
            "formats[1].detections.box.mean is missing",
        ),
        (
            lambda card: card["formats"][0].update(megabytes="2"),
            "formats[0].megabytes is '2' and not a number",
        ),
        (
            lambda card: card["formats"][0]["metrics"].update(bbox_mAP=True),
            "formats[0].metrics.bbox_mAP is True and not a number",
        ),
        (
            lambda card: card.update(format="ghostnet_mm.deploy_card/1"),
            "format is 'ghostnet_mm.deploy_card/1' and not 'ghostnet_mm.deploy_card/2'",
        ),
        (
            lambda card: card.update(formats={}),
            "formats is {} and not a list of objects",
        ),
        (lambda card: card.update(model=[]), "model is [] and not an object"),
    ],
)
def test_a_field_that_does_not_fit_is_named_in_a_sentence(change, says, tmp_path):
    path = tmp_path / "card.json"
    FULL.write_json(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as caught:
        DeployCard.read(path)
    expected = f"{path} is no deploy card: {says}; export the detector anew."
    assert str(caught.value) == expected


class Tags(HTMLParser):
    """Checks that the tags of a page are closed in order."""

    VOID = ("meta", "img")

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


def read_page(card) -> Tags:
    tags = Tags()
    tags.feed(card_page(card))
    assert tags.open == []
    return tags


@pytest.mark.parametrize("broken", [(), ("boxes differ by <much>",)])
def test_the_page_is_well_formed_and_says_the_verdict(broken):
    text = read_page(replace(FULL, formats=(sample_format(failures=broken),))).text
    assert "<retinanet> & friends" in text  # escaped in the source
    assert ("boxes differ by <much>." in text) == bool(broken)
    assert ("not within tolerance" in text) == bool(broken)


def test_what_was_not_measured_shows_a_dash():
    row = cells_of(formats_table(sample_card()).markdown())[-1]
    assert row == [
        "onnx", "1.50", "0.300", "0", "0", "0", "3.00 / 4.00", "-", "yes",
    ]  # fmt: skip


def test_rewritten_blocks_are_noted_with_their_gains():
    text = read_page(FULL).text
    assert "Those faster at <64>. All files hold 1 of 2 so." in text
    assert "blocks.0.0, 1.25 times as fast in onnxruntime (1.12 to 1.50)" in text
    assert "blocks.1.0" not in text
    assert "concatenation" not in read_page(sample_card()).text
