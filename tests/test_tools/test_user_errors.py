"""Every mistake of a user: one sentence, status 2, nothing left behind."""

import importlib.util
import os
import subprocess
import sys

import pytest
from support.bad_inputs import BAD_INPUTS, BadInput, message_for
from support.running_tools import ROOT, TINY, load_tool, run, run_here
from support.tiny_coco import make_tiny_coco


def everything_below(folder):
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("case", BAD_INPUTS, ids=lambda case: case.mistake)
def test_one_sentence_and_nothing_left_behind(
    case: BadInput, tmp_path, monkeypatch, capfd
):
    if case.says[0] == "wandb" and importlib.util.find_spec("wandb"):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    before = {}
    prepare = case.prepare

    def remember(folder):
        arguments = prepare(folder)
        before.update(everything_below(folder))
        return arguments

    object.__setattr__(case, "prepare", remember)
    try:
        status, message = message_for(case, tmp_path)
    finally:
        object.__setattr__(case, "prepare", prepare)

    assert status == 2
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert message.rstrip()[-1] in ".?"
    assert "Traceback" not in message
    for fragment in case.says:
        assert fragment in message
    assert everything_below(tmp_path) == before
    # Nothing but the sentence, from native libraries neither.
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("tool", "arguments", "fragment"),
    [
        ("train", [TINY, "--data-root", "nowhere"], "nowhere"),
        ("test", [TINY, "none.pth", "--data-root", "data"], "none.pth"),
        ("detect", ["data", "--config", TINY, "--checkpoint", "none.pth"], "none.pth"),
    ],
)
def test_the_command_exits_with_2(tmp_path, tool, arguments, fragment):
    make_tiny_coco(tmp_path / "data")
    done = run(tool, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert fragment in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_only_the_first_process_of_a_run_complains(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    done = run_here("train", TINY, "--data-root", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == ""


def test_a_bug_keeps_its_traceback(tmp_path, monkeypatch):
    def buggy(*arguments, **options):
        raise ValueError("a bug")

    monkeypatch.setattr("ghostnet_mm.engine.run.check_data", buggy)
    root = make_tiny_coco(tmp_path / "data")
    with pytest.raises(ValueError, match="a bug"):
        run_here("train", TINY, "--data-root", root, cwd=tmp_path)


@pytest.mark.parametrize("tool", ["train", "test", "detect"])
def test_help_has_an_example(tool, tmp_path):
    done = run(tool, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"python tools/{tool}.py" in done.stdout.partition("examples:")[2]


TOOLS = {
    "train": [TINY],
    "test": [TINY, "epoch_1.pth"],
    "detect": ["street.jpg", "--checkpoint", "epoch_1.pth"],
    "segment": ["street.jpg", "--checkpoint", "epoch_1.pth"],
    "draw_grid": ["work_dirs/run"],
    "try_configs": ["--data-root", "data"],
    "compare": [TINY, "--data-root", "data", "--out-dir", "out"],
    "build_model_zoo": [],
    "print_complexity": [TINY],
    "print_parity": [],
    "make_digits_dataset": ["data"],
    "make_digit_crops": ["data", "crops"],
    "benchmark_against_timm": [],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_installation_is_told(tool, tmp_path):
    # -S: a Python that sees no installed package.
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "tools" / f"{tool}.py"), *TOOLS[tool]],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: torch is not installed; ")
    assert "pip install -e ./runtime -e ." in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "package", ["pkg_resources", "mmcv", "ghostnet_runtime", "ghostnet_mm"]
)
def test_the_missing_package_is_named(package, monkeypatch, capsys):
    find = importlib.util.find_spec

    def find_all_but_one(name):
        return None if name == package else find(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_all_but_one)
    with pytest.raises(SystemExit) as caught:
        load_tool("train").main([TINY])
    assert caught.value.code == 2
    assert f"error: {package} is not installed" in capsys.readouterr().err
