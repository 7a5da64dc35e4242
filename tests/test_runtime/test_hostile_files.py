"""Spoilt files of every kind bring an answer or one sentence.

Thousands are tried by ``python tests/support/fuzz_files.py``; here a few of each kind.
"""

import os
import random
import signal

import pytest
import torch
from mmengine.config import Config
from support.fuzz_files import BATCH, SUFFIXES, outcome, targets, tried
from support.running_tools import TINY

KINDS = ("checkpoint", "safetensors", "stored config", "description")
KINDS += ("exported model", "picture", "film")


@pytest.fixture(scope="module")
def all_targets(tmp_path_factory, tiny_onnx, raw_description):
    home = tmp_path_factory.mktemp("whole")
    model = tiny_onnx(
        home / "a.onnx", raw_description(), [[2, 4, 10, 20]], [[0.8, 0, 0]]
    )
    checkpoint = home / "a.pth"
    weights = {f"backbone.{i}.weight": torch.randn(4, 3) for i in range(9)}
    meta = {"cfg": Config.fromfile(str(TINY)).pretty_text, "epoch": 1}
    torch.save({"state_dict": weights, "meta": meta}, checkpoint)
    return targets(checkpoint, model)


@pytest.mark.parametrize("kind", KINDS)
def test_spoilt_files_are_read_or_refused(all_targets, tmp_path, kind):
    random.seed(kind)
    ended = tried(*all_targets[kind], SUFFIXES.get(kind, ".pth"), tmp_path)
    assert len(ended) == BATCH
    assert set(ended) <= {"read", "refused"}
    assert "refused" in ended


def test_the_trial_sees_what_it_looks_for(tmp_path):
    """Crashes, memory and tracebacks; otherwise the test above could not fail."""

    def read(path):
        what = path.read_text()
        if what == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "memory":
            bytearray(8 * 2**30)
        raise KeyError(what)

    for what, seen in (
        ("crash", "killed by SIGKILL"),
        ("memory", "MemoryError"),
        ("other", "KeyError"),
    ):
        ended = tried(lambda path, what=what: path.write_text(what), read, "", tmp_path)
        assert ended[0].startswith(seen)
    assert outcome(lambda path: None, tmp_path) == "read"
