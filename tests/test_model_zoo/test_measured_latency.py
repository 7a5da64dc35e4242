"""tools/build_model_zoo.py --latency writes what it measures and on what."""

import shutil
from pathlib import Path

import pytest
from support.reading_tables import cells_of
from support.running_tools import run_here

from ghostnet_mm.measuring.machine import describe_machine
from ghostnet_mm.model_zoo import Metafile, read_metafile, write_metafile

ROOT = Path(__file__).parents[2]
# The first builds on the second.
NAMES = ("yolox_ghostnet-nano_coco", "yolox_ghostnet_coco")
KEY = "CPU Latency (ms)"


@pytest.fixture
def checkout(tmp_path):
    """A project of two small networks, timed on another machine."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "docs").mkdir()
    configs = [f"configs/{name}.py" for name in NAMES]
    for name in ("README.md", "docs/model_zoo.md", *configs):
        shutil.copy(ROOT / name, tmp_path / name)
    published = read_metafile(ROOT)
    entries = [published.entry(config) for config in configs]
    for entry in entries:
        entry["Metadata"].update({"Input Size": [64, 96], KEY: -1.0, "Featured": True})
    write_metafile(Metafile(entries, "an old machine"), tmp_path)
    return tmp_path


def build(checkout, *arguments):
    latency = ("--latency", "--rounds", 1, "--root", checkout)
    return run_here("build_model_zoo", *latency, *arguments, cwd=checkout)


def test_latencies_and_their_machine_are_written(checkout):
    done = build(checkout)
    assert done.returncode == 0, done.stderr
    metafile = read_metafile(checkout)
    assert metafile.machine == describe_machine()
    for entry in metafile.models:
        shown = entry["Metadata"][KEY]
        assert shown > 0
        assert f"{entry['Name']}: {shown:.1f} ms" in done.stdout
        rows = cells_of((checkout / "README.md").read_text())
        (row,) = [row for row in rows if f"{entry['Name']}.py`" in row[0]]
        assert row[-2] == f"{shown:.1f}"
    assert (
        f"Latencies: {describe_machine()}."
        in (checkout / "docs" / "model_zoo.md").read_text()
    )


def test_latencies_of_two_machines_are_not_mixed(checkout):
    before = (checkout / "configs" / "metafile.yml").read_bytes()
    done = build(checkout, "--only", NAMES[0])
    assert done.returncode == 2
    assert "The other entries were timed on another machine" in done.stderr
    assert (checkout / "configs" / "metafile.yml").read_bytes() == before

    metafile = read_metafile(checkout)
    metafile.machine = describe_machine()
    write_metafile(metafile, checkout)
    assert build(checkout, "--only", NAMES[0]).returncode == 0
    chosen, other = read_metafile(checkout).models
    assert chosen["Metadata"][KEY] > 0
    assert other["Metadata"][KEY] == -1.0
