"""tools/benchmark.py and tools/doctor.py as a user runs them."""

import csv
import json

import pytest
from support.running_tools import ROOT, TINY, run, run_here
from support.tiny_coco import make_tiny_coco

DIGITS = ROOT / "configs" / "retinanet_ghostnet_digits.py"


def test_a_benchmark_of_two_heads(tmp_path):
    pictures = make_tiny_coco(tmp_path / "coco") / "val2017"
    done = run(
        "benchmark",
        f"digits={DIGITS}",
        f"fused={DIGITS} form=deploy model.backbone.type=GhostNetV2",
        *("--size", 64, 96, "--rounds", 2, "--threads", 1, "--images", pictures),
        *("--map", "digits=0.333", "--out-dir", "out"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "benchmark.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["scope"], row["runs in"]) for row in rows] == [
        ("digits", "network", "torch, eager"),
        ("fused", "network", "torch, fused"),
        ("digits", "end-to-end", "torch, eager"),
        ("fused", "end-to-end", "torch, fused"),
    ]
    assert all(float(row["median_ms"]) > 0 for row in rows)
    assert {(row["height"], row["width"]) for row in rows} == {("64", "96")}
    assert "1 thread," in done.stdout
    assert "each in a process of its own" in done.stdout
    assert (tmp_path / "out" / "map_latency.png").is_file()


def test_an_examination_of_the_digits_detector(tmp_path):
    done = run(
        "doctor",
        *(DIGITS, "--size", 64, 64, "--rounds", 2, "--threads", 1, "--eager-only"),
        "--no-proposals",
        *("--json", "found.json", "--html", "found.html"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    names = [part["name"] for part in found["profiles"][0]["parts"]]
    assert "backbone: stage 3 (stride 16)" in names
    assert (tmp_path / "found.html").is_file()


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("benchmark", ["none.onnx"], "none.onnx of 'none' does not exist"),
        ("benchmark", [TINY, "--rounds", "0"], "--rounds 0"),
        ("benchmark", [TINY, "--threads", "0"], "--threads 0"),
        ("benchmark", [TINY, "--images", "none"], "none does not exist"),
        ("benchmark", [TINY, "--size", "0", "32", "--one-process"], "--size 0 32"),
        ("benchmark", [TINY, "--device", "cuda:7", "--one-process"], "--device cuda:7"),
        ("benchmark", [TINY, "--map", "a=1.5"], "--map a=1.5"),
        ("benchmark", [f"{TINY} model.nekc=1", "--one-process"], "nekc"),
        ("doctor", ["none.py"], "none.py does not exist"),
        ("doctor", ["a.pth"], "a.pth is no config"),
        ("doctor", [TINY, "none.pth"], "none.pth"),
        ("doctor", [TINY, "--rounds", "0"], "--rounds 0"),
        ("doctor", [TINY, "--json", "none/a.json"], "none/a.json"),
    ],
)
def test_mistakes_are_told_in_one_sentence(tool, arguments, says, tmp_path):
    done = run_here(tool, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tool", ["benchmark", "doctor"])
def test_help_has_an_example(tool, tmp_path):
    done = run(tool, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"python tools/{tool}.py" in done.stdout.partition("examples:")[2]


def test_training_steps_are_timed_by_batch_and_precision(tmp_path):
    done = run_here(
        "benchmark_training",
        *(
            TINY,
            "--size",
            64,
            96,
            "--batch-sizes",
            1,
            2,
            "--precisions",
            "fp32",
            "bf16",
        ),
        *("--precisions", "fp32", "bf16", "--steps", 3),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    cells = [line.split("|")[1:3] for line in done.stdout.splitlines() if "| " in line]
    found = [tuple(cell.strip() for cell in row) for row in cells[1:]]
    assert found == [("fp32", "1"), ("bf16", "1"), ("fp32", "2"), ("bf16", "2")]
