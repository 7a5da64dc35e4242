"""tools/compare.py trains, reports, and goes on where it stopped."""

import json

from support.running_tools import TINY, run
from support.tiny_coco import make_tiny_coco


def test_runs_are_trained_once_and_reported(tmp_path):
    data = make_tiny_coco(tmp_path / "coco")
    arguments = [
        f"v1={TINY}",
        f"v2={TINY} model.backbone.type=GhostNetV2",
        *("--recipe", TINY, "--data-root", data, "--out-dir", tmp_path / "out"),
        *("--epochs", 1, "--latency-rounds", 1, "--seeds", 3),
    ]
    done = run("compare", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for label in ("v1", "v2"):
        folder = tmp_path / "out" / label / "seed-3"
        result = json.loads((folder / "result.json").read_text())
        assert (result["label"], result["seed"]) == (label, 3)
        assert "seed=3" in (folder.parent / f"{label}_seed-3.py").read_text()
    assert (tmp_path / "out" / "comparison.png").is_file()
    first = (tmp_path / "out" / "comparison.md").read_text()
    assert "| v1 |" in first
    assert "| v2 |" in first

    # Finished runs are kept: another candidate trains alone.
    stamp = (tmp_path / "out" / "v1" / "seed-3" / "result.json").stat().st_mtime_ns
    again = run("compare", *arguments[:1], *arguments[2:], cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "v1, seed 3: finished" in again.stdout
    kept = (tmp_path / "out" / "v1" / "seed-3" / "result.json").stat().st_mtime_ns
    assert kept == stamp

    # Another budget in the same folder is another comparison.
    arguments[arguments.index("--epochs") + 1] = 2
    other = run("compare", *arguments, cwd=tmp_path)
    assert other.returncode == 2
    assert "holds a run of another config" in other.stderr
    assert other.stderr.count("\n") == 1
