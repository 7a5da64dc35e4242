"""Any mix of detectors, timed side by side, and told in a table, CSV and plots."""

import csv
import multiprocessing
import types

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector
from mmdet.utils import register_all_modules
from support.descriptions import described
from support.running_tools import TINY
from support.sample_cards import sample_card, sample_format

from ghostnet_mm.benchmarking import (
    Benchmark,
    BenchmarkCandidate,
    BenchmarkSettings,
    collect_scores,
    eager,
    exported,
    load_pictures,
    measuring,
    run_benchmark,
    turns,
    write_benchmark,
)
from ghostnet_mm.benchmarking.isolation import IsolatedCandidate
from ghostnet_mm.benchmarking.measuring import BenchmarkRow
from ghostnet_mm.benchmarking.subjects import ScopedCandidate, Subject
from ghostnet_mm.errors import DataError, OptionError
from ghostnet_mm.measuring.latency import Timing

DESCRIPTION = described(
    input=dict(height=8, width=16, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)),
    resize=dict(scale=(16, 8)),
)


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=True)


def test_a_candidate_is_read():
    candidate = BenchmarkCandidate.parse(
        f"'V2, 1x'={TINY} form=deploy model.backbone.widen_factor=1"
    )
    assert (candidate.label, candidate.path, candidate.form) == (
        "V2, 1x",
        TINY,
        "deploy",
    )
    assert candidate.cfg_options == {"model.backbone.widen_factor": 1}
    assert candidate.is_config
    assert not candidate.has_weights
    assert BenchmarkCandidate.parse(f"{TINY} checkpoint=a.pth").has_weights
    assert BenchmarkCandidate.parse(TINY).label == "tiny_detector"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a=nowhere.py", "nowhere.py of 'a' does not exist"),
        ("a=picture.jpg", "neither a config"),
        (f"a={TINY} form=fast", "form=fast"),
        ("'a", "quotes"),
        ("", "empty"),
        (f"={TINY}", "is not LABEL=FILE"),
        ("{onnx} form=deploy", "is exported and cannot be changed"),
        ("{onnx} checkpoint=a.pth", "goes with a config"),
    ],
)
def test_impossible_candidates_are_told(text, says, tmp_path):
    file = tmp_path / "a.onnx"
    file.touch()
    with pytest.raises(OptionError, match=says):
        BenchmarkCandidate.parse(text.replace("{onnx}", str(file)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(rounds=0), "--rounds 0"),
        (dict(batch=0), "--batch 0"),
        (dict(scope="all"), "--scope all"),
    ],
)
def test_impossible_settings_are_told(change, says):
    with pytest.raises(OptionError, match=says):
        BenchmarkSettings(**change)


def test_two_candidates_of_one_name_are_refused():
    twice = [BenchmarkCandidate.parse(TINY)] * 2
    with pytest.raises(OptionError, match="Two candidates are called"):
        run_benchmark(twice, BenchmarkSettings(), load_pictures(None))


def test_end_to_end_is_what_mmdet_infers():
    loaded = eager.load_eager(BenchmarkCandidate("a", TINY), (64, 96))
    pictures = load_pictures(None)[:2]
    found = eager.end_to_end_run(loaded)(pictures)
    for sample, picture in zip(found, pictures, strict=True):
        expected = inference_detector(loaded.model, picture).pred_instances
        got = sample.pred_instances
        assert len(got) == len(expected) > 0
        torch.testing.assert_close(
            got.scores.sort().values, expected.scores.sort().values
        )
    # --size reaches the pipeline: 480 x 640 fits into 64 x 96 as 64 x 85.
    assert found[0].img_shape == (64, 85)


def test_the_network_runs_on_the_whole_batch_at_the_size():
    loaded = eager.load_eager(BenchmarkCandidate("a", TINY), (64, 96))
    classes, _ = eager.network_run(loaded, load_pictures(None)[:3])()
    assert classes[0].shape[0] == 3
    assert classes[0].shape[2:] == (8, 12)


def test_all_see_the_same_pictures_in_turns(monkeypatch):
    seen = []

    def end_to_end_run(detector):
        return lambda batch: seen.append(
            (detector, [int(picture.max()) for picture in batch])
        )

    stub = types.SimpleNamespace(size=(32, 32))
    monkeypatch.setattr(
        eager, "load_eager", lambda given, *_: _Loaded(given.label, stub)
    )
    monkeypatch.setattr(
        eager, "end_to_end_run", lambda given: end_to_end_run(given.label)
    )
    before = torch.get_num_threads()
    done = run_benchmark(
        [BenchmarkCandidate("a", TINY, "w.pth"), BenchmarkCandidate("b", TINY)],
        BenchmarkSettings("end-to-end", threads=before + 1, batch=2, rounds=2),
        [np.full((4, 4, 3), value, np.uint8) for value in (1, 2, 3)],
    )
    assert torch.get_num_threads() == before
    assert done.threads == before + 1
    assert [name for name, _ in seen[:4]] == ["a", "a", "b", "b"]
    batches = {name: [two for label, two in seen if label == name] for name in "ab"}
    assert batches["a"] == batches["b"]
    turns_taken = batches["a"][::2]  # each settles on what it is timed on
    assert turns_taken == batches["a"][1::2]
    assert turns_taken[:3] == [[1, 2], [3, 1], [2, 3]]
    assert [row.scoped.label for row in done.rows] == ["a", "b"]
    assert all(len(row.timing.milliseconds) == 2 for row in done.rows)
    # Only of the one with random weights it is said.
    assert [note.partition(":")[0] for note in done.notes] == ["b"]


class _Loaded:
    def __init__(self, label, stub):
        self.label, self.size = label, stub.size


def test_an_exported_file_gets_normalized_planes():
    picture = np.random.default_rng(0).integers(0, 255, (8, 16, 3), dtype=np.uint8)
    candidate = BenchmarkCandidate("a", "a.onnx")
    image, size = exported.input_for(candidate, DESCRIPTION, [picture], None)
    assert size == (8, 16)
    assert image.shape == (1, 3, 8, 16)
    assert image.dtype == np.float32
    # The first plane is red, the last of OpenCV's channels.
    np.testing.assert_allclose(image[0, 0], (picture[..., 2] - 1.0) / 4, rtol=1e-6)
    np.testing.assert_allclose(image[0, 2], (picture[..., 0] - 3.0) / 6, rtol=1e-6)
    anything = dict(form="pixels", batch=None, height=None, width=None)
    pixels = described(DESCRIPTION, input=anything)
    image, size = exported.input_for(candidate, pixels, [picture] * 2, None)
    assert image.shape == (2, 8, 16, 3)
    assert image.dtype == np.uint8


def test_what_an_exported_file_cannot_do_is_told():
    candidate, picture = BenchmarkCandidate("a", "a.onnx"), load_pictures(None)[0]
    with pytest.raises(OptionError, match="a batch of 1, not 2"):
        exported.input_for(candidate, DESCRIPTION, [picture] * 2, None)
    with pytest.raises(OptionError, match="not --size 8 8"):
        exported.input_for(candidate, DESCRIPTION, [picture], (8, 8))
    free = described(
        input=dict(height=None, width=None),
        resize=dict(scale=None, keep_ratio=True),
    )
    with pytest.raises(OptionError, match="give --size"):
        exported.input_for(candidate, free, [picture], None)
    with pytest.raises(OptionError, match="--scope network"):
        exported.end_to_end_run(BenchmarkCandidate("a", "a.tflite"), 1)


def test_what_only_has_a_network_is_left_out_aloud(tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "network_run", lambda *_: ((lambda: None), (32, 64)))
    candidate = BenchmarkCandidate("phone", "a.tflite")
    pictures = load_pictures(None)
    done = run_benchmark([candidate], BenchmarkSettings(rounds=1), pictures)
    sizes = [(row.scoped.scope, row.scoped.size) for row in done.rows]
    assert sizes == [("network", (32, 64))]
    assert "phone: not timed end to end" in done.notes[0]
    with pytest.raises(OptionError, match="--scope network"):
        run_benchmark([candidate], BenchmarkSettings("end-to-end", rounds=1), pictures)


def test_pictures_come_from_a_folder(tmp_path):
    for index in range(20):
        cv2.imwrite(str(tmp_path / f"{index:02d}.png"), np.full((4, 5, 3), index))
    pictures = load_pictures(str(tmp_path))
    assert [int(picture[0, 0, 0]) for picture in pictures] == list(range(16))
    with pytest.raises(DataError, match="nowhere"):
        load_pictures("nowhere")


def row(label, runs_in, scope, size, *milliseconds):
    return BenchmarkRow(
        ScopedCandidate(label, runs_in, scope, size), Timing(milliseconds)
    )


ROWS = [
    row("slow", "torch, eager", "network", (32, 64), 4.0, 8.0, 6.0),
    row("fast", "onnx", "network", (32, 64), 1.0, 3.0, 2.0),
    row("fast", "onnx", "end-to-end", None, 9.0, 9.0, 9.0),
]


def test_the_report_has_every_number(tmp_path):
    done = Benchmark(3, ROWS, ["fast: a note."])
    settings = BenchmarkSettings(rounds=3)
    scores = {"fast": [0.2, 0.4], "slow": [0.5]}
    text = write_benchmark(done, settings, "4 pictures", tmp_path / "new", scores)
    assert "process of its own" not in text
    title, _, head, _, how, _, _, _, *rows = text.splitlines()
    assert title == "## Latency"
    assert "3 threads" in head
    assert "onnxruntime" in head or "mmdet" in head
    assert "3 rounds" in how
    assert "each after 1 untimed call" in how
    assert "4 pictures" in how
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows[:3]]
    # Fastest first, scope by scope.
    assert cells[0] == [
        *("fast", "onnx", "network", "32 x 64", "2.00", "2.80", "1.00", "500.0"),
        "0.300",
    ]
    assert cells[1][:5] == ["slow", "torch, eager", "network", "32 x 64", "6.00"]
    assert cells[2][2:5] == ["end-to-end", "-", "9.00"]
    assert text.rstrip().endswith("- fast: a note.")
    with (tmp_path / "new" / "benchmark.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(line["model"], line["scope"]) for line in table] == [
        (row.scoped.label, row.scoped.scope) for row in ROWS
    ]
    assert float(table[0]["p90_ms"]) == pytest.approx(np.quantile((4, 8, 6), 0.9))
    assert (table[0]["threads"], table[0]["batch"], table[0]["height"]) == (
        *("3", "1"),
        "32",
    )
    with (tmp_path / "new" / "calls.csv").open() as file:
        calls = [(row["model"], row["ms"]) for row in csv.DictReader(file)]
    assert calls[:3] == [("slow", "4.0"), ("slow", "8.0"), ("slow", "6.0")]
    for name in ("benchmark.png", "map_latency.png"):
        picture = cv2.imread(str(tmp_path / "new" / name))
        assert picture.std() > 5


def test_the_report_says_how_isolated_candidates_were_timed():
    settings = BenchmarkSettings(rounds=3, isolated=True)
    text = write_benchmark(Benchmark(1, ROWS), settings, "4 pictures")
    assert "own, after 30 ms of rest and 0.1 s of untimed calls" in text


def test_without_scores_there_is_no_column_and_no_plot(tmp_path):
    done = Benchmark(1, ROWS[:1])
    text = write_benchmark(done, BenchmarkSettings(rounds=3), "", tmp_path)
    assert "mAP" not in text
    assert not (tmp_path / "map_latency.png").exists()


def test_scores_are_found_where_they_are(tmp_path):
    candidates = [
        BenchmarkCandidate("v1", "v1.py"),
        BenchmarkCandidate("onnx", "exported/digits.onnx"),
    ]
    runs = tmp_path / "runs.csv"
    runs.write_text(
        "model,seed,seconds,coco/bbox_mAP,coco/bbox_mAP_50\n"
        "v1,0,60,0.25,0.4\nv1,1,60,,\nother,0,60,0.9,0.9\n"
    )
    card = tmp_path / "card.json"
    sample_card(
        sample_format(file="digits.onnx", metrics={"bbox_mAP": 0.332}),
        sample_format("ncnn", file="digits.ncnn.param", metrics={}),
    ).write_json(card)
    assert collect_scores([str(runs), str(card)], candidates) == {
        # A run that found nothing has no score: that is 0.
        "v1": [0.25, 0.0],
        "onnx": [0.332],
    }
    assert collect_scores(["v1=0.3"], candidates) == {"v1": [0.3]}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("v1=29", "from 0 to 1"),
        ("v1", "is not LABEL=SCORE"),
        ("v2=0.3", "no score of a candidate; their labels are v1"),
        ("none.json", "does not exist"),
        ("{other}.json", "no deploy card"),
        ("{other}.csv", "not the runs.csv"),
        ("{broken}.json", "not valid JSON"),
        ("{broken}.csv", "has the score '0,3x', which is not a number"),
        ("{binary}.csv", "no CSV in UTF-8"),
    ],
)
def test_impossible_scores_are_told(source, says, tmp_path):
    (tmp_path / "other.json").write_text("[]")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "broken.csv").write_text('model,coco/bbox_mAP\nv1,"0,3x"\n')
    (tmp_path / "binary.csv").write_bytes(b"model,coco/bbox_mAP\n\xff\xfe")
    for name in ("other", "broken", "binary"):
        source = source.replace(f"{{{name}}}", str(tmp_path / name))
    with pytest.raises((OptionError, DataError), match=says):
        collect_scores([source], [BenchmarkCandidate("v1", "v1.py")])


def test_a_process_that_dies_is_told_and_the_others_end(tmp_path):
    config = tmp_path / "dies.py"
    config.write_text('__import__("os")._exit(7)\n')
    settings = BenchmarkSettings("network", size=(32, 32), rounds=1, isolated=True)
    candidates = [
        BenchmarkCandidate("lives", TINY),
        BenchmarkCandidate("dies", str(config)),
    ]
    with pytest.raises(OptionError, match="of dies ended with status 7"):
        run_benchmark(candidates, settings, load_pictures(None))
    assert not multiprocessing.active_children()


def test_a_process_that_dies_between_rounds_is_told():
    settings = BenchmarkSettings("network", size=(32, 32), isolated=True)
    pictures = load_pictures(None)
    isolated = IsolatedCandidate(BenchmarkCandidate("a", TINY), settings, pictures, 1)
    (subject,), _ = isolated.open()
    assert subject.measure() > 0
    (process,) = multiprocessing.active_children()
    process.kill()
    process.join()
    with pytest.raises(OptionError, match="of a ended with status -9"):
        subject.measure()
    isolated.stop()


class Scripted:
    """Stands for opening: subjects whose measurements are told, or errors."""

    def __init__(self, monkeypatch, **measurements):
        self.left = {label: iter(values) for label, values in measurements.items()}
        monkeypatch.setattr(measuring, "open_candidate", self.open)

    def open(self, candidate, settings, pictures, threads):
        def measure():
            value = next(self.left[candidate.label])
            if isinstance(value, BaseException):
                raise value
            return value

        if candidate.label not in self.left:
            raise OptionError(f"{candidate.label} cannot be opened.")
        return [
            Subject(ScopedCandidate(candidate.label, "onnx", scope, None), measure)
            for scope in settings.scopes
        ], []


def times(done):
    return {
        (row.scoped.label, row.scoped.scope): row.timing.milliseconds
        for row in done.rows
    }


A_AND_B = [BenchmarkCandidate("a", "a.onnx"), BenchmarkCandidate("b", "b.onnx")]
NETWORK_ONLY = BenchmarkSettings("network", rounds=2)


def test_an_interrupted_benchmark_keeps_its_complete_rounds(monkeypatch, tmp_path):
    """Catches rounds of which one candidate has more than the other."""
    warm_up = [0.0] * 3
    first = [*warm_up, 1.0, 2.0, *warm_up, 3.0]
    Scripted(monkeypatch, a=[*first, 5.0], b=[*first, KeyboardInterrupt()])
    kept = []
    settings = BenchmarkSettings(rounds=2)
    done = run_benchmark(A_AND_B, settings, [], after_scope=lambda d: kept.append(d))
    assert done.was_interrupted
    assert len(kept) == 1
    both = {("network", (1.0, 2.0)), ("end-to-end", (3.0,))}
    assert {(scope, found) for (_, scope), found in times(done).items()} == both
    assert "1 of 2 rounds (end-to-end) count" in done.notes[-1]
    assert "Interrupted" in write_benchmark(done, settings, "", tmp_path)
    # Nothing to keep.
    Scripted(monkeypatch, a=[0.0], b=[KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(A_AND_B, NETWORK_ONLY, [])


def test_who_fails_does_not_cost_the_others(monkeypatch):
    Scripted(
        monkeypatch,
        a=[0.0, 0.0, 0.0, 1.0, 2.0],
        b=[0.0, 0.0, 0.0, 1.0, RuntimeError("Trace:\n out of memory.")],
    )
    done = run_benchmark(A_AND_B, NETWORK_ONLY, [])
    assert times(done) == {("a", "network"): (1.0, 2.0)}
    assert done.notes == ["b: does not run here (out of memory)."]
    Scripted(monkeypatch, a=[OptionError("no")], b=[RuntimeError("no")])
    with pytest.raises(OptionError):
        run_benchmark(A_AND_B, NETWORK_ONLY, [])


def test_what_cannot_be_opened_is_left_out_only_on_request(monkeypatch):
    Scripted(monkeypatch, a=[1.0] * 5)
    with pytest.raises(OptionError, match="b cannot be opened"):
        run_benchmark(A_AND_B, NETWORK_ONLY, [])
    Scripted(monkeypatch, a=[1.0] * 5)
    done = run_benchmark(A_AND_B, NETWORK_ONLY, [], leave_out=True)
    assert list(times(done)) == [("a", "network")]
    assert done.notes == ["b: does not run here (b cannot be opened)."]


def test_every_candidate_is_timed_on_the_same_pictures(monkeypatch):
    """However fast it is, and so however often it repeats a call."""
    now, seen = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def detector(seconds):
        def detect(batch):
            now[0] += seconds
            seen.append((seconds, batch[0]))

        return detect

    pictures = [1, 2, 3]
    fast, slow = (
        turns.picture_turns(detector(seconds), pictures) for seconds in (0.03, 0.2)
    )
    assert turns.time_turn(fast, settling_seconds=0.1) == pytest.approx(30)
    assert turns.time_turn(slow, settling_seconds=0.1) == pytest.approx(200)
    assert turns.time_turn(fast) == pytest.approx(30)
    assert turns.time_turn(slow) == pytest.approx(200)
    # Settling for a while, then one call that settles and the one that counts.
    assert seen == [
        *[(0.03, 1)] * (4 + 2),
        *[(0.2, 1)] * (1 + 2),
        *[(0.03, 2)] * 2,
        *[(0.2, 2)] * 2,
    ]


def test_mistakes_come_back_from_a_process(tmp_path):
    settings = BenchmarkSettings("network", isolated=True)
    candidate = BenchmarkCandidate("a", TINY, cfg_options={"model.nekc": 1})
    with pytest.raises(OptionError, match="nekc"):
        run_benchmark([candidate], settings, load_pictures(None))
