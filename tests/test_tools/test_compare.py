"""tools/compare.py trains, reports, and goes on where it stopped."""

import os
import subprocess
import sys
import time

from support.reading_tables import cells_of
from support.running_tools import ROOT, TINY, run_here
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.comparison.runs import RunResult

ODD = f"""
_base_ = {TINY!r}
custom_imports = dict(
    imports=["ghostnet_mm", "support.misbehaving_backbone"], allow_failed_imports=False
)
model = dict(backbone=dict(type="MisbehavingGhostNet"))
"""


def wait_until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_finished_runs_survive_whatever_happens_to_another(tmp_path, monkeypatch):
    data = make_tiny_coco(tmp_path / "coco")
    (tmp_path / "odd.py").write_text(ODD)
    mark, out = tmp_path / "mark", tmp_path / "out"
    monkeypatch.setenv("MISBEHAVIOR", str(mark))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*sys.path, str(ROOT / "tests")]))
    odd, v2 = f"odd={tmp_path / 'odd.py'}", f"v2={TINY} model.backbone.type=GhostNetV2"
    common = [
        *("--recipe", TINY, "--data-root", data, "--out-dir", out),
        *("--epochs", 1, "--latency-rounds", 1, "--seeds", 3),
    ]

    def result_of(label):
        return out / label / "seed-3" / "result.json"

    # The comparison is killed in the middle of its second run.
    command = [ROOT / "tools" / "compare.py", f"v1={TINY}", odd, *common]
    process = subprocess.Popen([sys.executable, *map(str, command)], cwd=tmp_path)
    try:
        wait_until(lambda: mark.exists() or process.poll() is not None)
    finally:
        process.kill()
    assert process.wait() != 0
    first = result_of("v1").read_bytes()
    assert RunResult.read(result_of("v1")).label == "v1"
    assert not result_of("odd").exists()

    # The process that trained ends too, or it would write beside the next one.
    def is_quiet():
        before = mark.stat().st_mtime_ns
        time.sleep(1)
        return mark.stat().st_mtime_ns == before

    wait_until(is_quiet, seconds=30)

    # Started again, the second run dies: the third is trained and both are reported.
    done = run_here("compare", f"v1={TINY}", odd, v2, *common, cwd=tmp_path)
    assert mark.read_text() == "died"
    assert done.returncode == 2
    assert "v1, seed 3: finished" in done.stdout
    assert done.stderr.startswith("error: 1 of 3 runs failed: odd, seed 3; see above")
    assert done.stderr.count("\n") == 1
    assert result_of("v1").read_bytes() == first
    table = (out / "comparison.md").read_text()
    assert sorted(row[0] for row in cells_of(table)[2:]) == ["v1", "v2"]
    assert "Failed and left out: odd, seed 3." in table

    # With the cause removed only the missing run is trained.
    second = result_of("v2").read_bytes()
    done = run_here("compare", f"v1={TINY}", odd, v2, *common, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (result_of("v1").read_bytes(), result_of("v2").read_bytes()) == (
        first,
        second,
    )
    assert result_of("odd").is_file()
    assert "seed=3" in (out / "odd" / "odd_seed-3.py").read_text()
    assert (out / "comparison.png").is_file()
    table = (out / "comparison.md").read_text()
    assert sorted(row[0] for row in cells_of(table)[2:]) == ["odd", "v1", "v2"]

    # Another budget in the same folder is another comparison.
    common[common.index("--epochs") + 1] = 2
    other = run_here("compare", f"v1={TINY}", *common, cwd=tmp_path)
    assert other.returncode == 2
    assert "holds a run of another config" in other.stderr
    assert other.stderr.count("\n") == 1
