"""The report of a run: there, whole, escaped, and right about what was measured."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from support.known_errors import FOUND, OBJECTS, judged
from support.running_tools import TINY
from support.tiny_coco import edit_annotations, make_tiny_coco

from ghostnet_mm.configuration import Options, prepare_run
from ghostnet_mm.engine.hooks import run_report
from ghostnet_mm.engine.run import run_testing, run_training
from ghostnet_mm.engine.run_report.advice import next_steps
from ghostnet_mm.evaluation.coco_errors import errors_of

HOSTILE = "cup</td><script>alert(1)</script>$x$"


class Page(HTMLParser):
    """Headings, text and pictures of a page."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.addresses, self.tags = [], [], []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.addresses.append(dict(attrs)["src"])

    def handle_data(self, data):
        if self.lasttag == "h2" and data.strip():
            self.headings.append(data.strip())
        self.text += data


def ready(data, work_dir, training=True, **options):
    settings = dict(data_root=str(data), work_dir=str(work_dir))
    if training:
        settings |= dict(backbone_weights="none", seed=3, epochs=16)
    prepared = prepare_run(TINY, Options(**settings, **options), training=training)
    prepared.cfg.custom_hooks = []  # The other tests' runs go without a report.
    return prepared


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reported") / "photos"
    make_tiny_coco(folder)
    for split in ("train2017", "val2017"):

        def rename(content):
            content["categories"][0]["name"] = HOSTILE

        edit_annotations(folder, rename, split)
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("reported_run")
    prepared = ready(photos, work_dir)
    return run_training(prepared.cfg, prepared.model)


def test_a_training_leaves_a_page_that_needs_no_other_file(run):
    text = (run.work_dir / "report" / "report.html").read_text()
    page = Page(text)
    assert page.headings == [
        *("What to try next", "The run", "Which score to cut at", "Errors by kind"),
        *("Classes and scores", "Worst pictures", "Training pictures", "Classes"),
        *("The data", "How it was made"),
    ]
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert len(page.addresses) >= 4 + 2 + 2 + 4 + 8
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "script" not in page.tags
    assert len(text) < 10_000_000
    assert f"AP {run.scores['coco/bbox_mAP']:.3f}" in page.text
    assert "seed" in page.text
    results = (run.work_dir / "report" / "results.csv").read_text()
    assert results == (run.work_dir / "curves.csv").read_text()


def test_names_are_shown_and_do_nothing(run):
    page = Page((run.work_dir / "report" / "report.html").read_text())
    assert "<script>alert(1)</script>" in page.text


def test_a_test_leaves_one_too(run, photos, tmp_path):
    prepared = ready(photos, tmp_path, training=False)
    evaluation = run_testing(prepared.cfg, run.best)
    page = Page((tmp_path / "report" / "report.html").read_text())
    assert f"AP {evaluation.scores['coco/bbox_mAP']:.3f}" in page.text
    assert "Worst pictures" in page.headings
    assert "The run" not in page.headings


def test_a_run_that_finds_nothing_says_so(photos, tmp_path):
    prepared = ready(photos, tmp_path)
    prepared.cfg.model.test_cfg.score_thr = 0.999
    run_training(prepared.cfg)
    page = Page((tmp_path / "report" / "report.html").read_text())
    assert "nothing was found on any picture" in page.text


def advised(rows=(), errors=None, classes=None, counts=None, scores=None):
    return next_steps(
        rows, "coco/bbox_mAP", errors, classes or {}, counts or {}, scores or {}
    )


def epochs(losses, **more):
    return [
        dict(
            epoch=i + 1,
            iteration=i + 1,
            loss=loss,
            **{k: v[i] for k, v in more.items()},
        )
        for i, loss in enumerate(losses)
    ]


def test_a_loss_that_does_not_fall_is_named():
    (text,) = advised(epochs([2.7, 2.69, 2.66]))
    assert "hardly fell (2.7 to 2.66)" in text
    assert advised(epochs([2.7, 1.2, 0.6])) == []


def test_a_score_that_still_rises_asks_for_a_longer_run():
    rows = epochs([4, 3, 2, 1], **{"coco/bbox_mAP": [0.1, 0.2, 0.3, 0.4]})
    (text,) = advised(rows)
    assert "rose by 0.100" in text
    assert "--epochs 8" in text
    level = epochs([4, 3, 2, 1], **{"coco/bbox_mAP": [0.1, 0.4, 0.4, 0.39]})
    assert advised(level) == []


def test_learning_by_heart_is_named():
    rows = epochs([4, 2, 1, 0.5], val_loss=[4, 3, 3.2, 3.6])
    (text,) = advised(rows)
    assert "from 3 to 3.6" in text
    assert advised(epochs([4, 2, 1, 0.5], val_loss=[4, 3, 2.9, 2.95])) == []


def test_the_costliest_error_comes_first():
    errors = errors_of(judged(OBJECTS, FOUND))
    texts = advised(errors=errors)
    assert len(texts) == 3
    costs = [float(re.search(r"costs (\S+) of AP50", text)[1]) for text in texts]
    assert costs == pytest.approx([kind.cost for kind in errors.kinds[:3]], abs=5e-4)


def test_small_objects_and_a_starved_class_are_named():
    (text,) = advised(scores={"coco/bbox_mAP": 0.4, "coco/bbox_mAP_s": 0.1})
    assert "larger input" in text
    assert advised(scores={"coco/bbox_mAP": 0.4, "coco/bbox_mAP_s": -1.0}) == []
    (text,) = advised(
        classes=dict(ace=0.6, king=0.5, ten=0.1, nine=np.nan),
        counts=dict(ace=90, king=80, ten=9, nine=5),
    )
    assert text.startswith("ten has AP 0.100 where the other classes have 0.550")


def test_a_report_that_fails_loses_no_run(photos, tmp_path, capsys, monkeypatch):
    def failing(*_):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(run_report, "write_report", failing)
    prepared = ready(photos, tmp_path)
    run = run_training(prepared.cfg, prepared.model)
    assert run.best.is_file()
    assert "no report (RuntimeError: no such thing)" in capsys.readouterr().out
