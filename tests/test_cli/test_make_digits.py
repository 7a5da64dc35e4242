"""`ghostnet make-digits`: without torch, and with the errors of every command."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKE = """
import sys
import ghostnet_launcher
status = ghostnet_launcher.main(
    ["make-digits", sys.argv[1], "--num-train", "2", "--num-val", "1"]
)
slow = {"torch", "mmengine", "mmcv", "mmdet"} & set(sys.modules)
sys.exit(f"imported {slow}" if slow else status)
"""


def _make(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAKE, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_digits_are_made_without_importing_torch(tmp_path):
    done = _make(tmp_path / "digits")
    assert done.returncode == 0, done.stderr
    assert "2 training and 1 validation images" in done.stdout
    assert len(list((tmp_path / "digits" / "train2017").iterdir())) == 2


def test_a_folder_of_other_files_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "holiday.txt").write_text("not digits")
    done = _make(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "holiday.txt").read_text() == "not digits"


def test_a_place_that_is_no_folder_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    done = _make(tmp_path / "file" / "digits")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
