"""The model zoo's tables say what the configs are."""

import shutil
from pathlib import Path

import pytest
import yaml
from support.reading_tables import cells_of
from support.running_tools import run_here

from ghostnet_mm.configuration.model.building import build_on_meta
from ghostnet_mm.errors import DataError
from ghostnet_mm.fusion.deploy_form import reparameterized
from ghostnet_mm.model_zoo import (
    read_metafile,
    refresh,
    stale_documents,
    write_metafile,
)
from ghostnet_mm.model_zoo.measuring import count, entry_config
from ghostnet_mm.model_zoo.metafile import configs_without_entry

ROOT = Path(__file__).parents[2]
MODELS = read_metafile(ROOT).models
# Their second stage needs numbers: seconds on a CPU instead of nothing on meta.
NEEDS_NUMBERS = ("faster-rcnn", "mask-rcnn", "panoptic-fpn", "condinst")


def name_of(entry):
    return entry["Name"]


def test_every_config_has_an_entry_and_every_entry_a_config():
    assert configs_without_entry(read_metafile(ROOT), ROOT) == []
    names = [name_of(entry) for entry in MODELS]
    assert len(set(names)) == len(names)
    for entry in MODELS:
        assert Path(entry["Config"]).stem == entry["Name"]


def test_the_tables_of_the_documents_are_up_to_date():
    assert stale_documents(read_metafile(ROOT), ROOT) == {}


@pytest.mark.parametrize("entry", MODELS, ids=name_of)
def test_parameters_and_macs_are_those_of_the_config(entry):
    facts = entry["Metadata"]
    if entry["Name"].startswith(NEEDS_NUMBERS):
        model = reparameterized(build_on_meta(entry_config(entry, ROOT).model, "model"))
        assert sum(each.numel() for each in model.parameters()) == facts["Parameters"]
        return
    assert count(entry, ROOT) == (facts["Parameters"], facts["MACs"])


def test_published_results_name_their_source():
    for entry in MODELS:
        for result in entry.get("Results", ()):
            assert result["Source"]
            assert result["Metrics"]


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the tables are made of."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/model_zoo.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_changed_number_makes_both_tables_stale_until_refreshed(checkout):
    metafile = read_metafile(checkout)
    entry = metafile.entry("configs/retinanet_ghostnet_coco.py")
    entry["Metadata"]["Parameters"] += 10_000
    write_metafile(metafile, checkout)
    again = read_metafile(checkout)
    assert list(stale_documents(again, checkout)) == ["README.md", "docs/model_zoo.md"]
    stale = run_here("build_model_zoo", "--check", "--root", checkout, cwd=checkout)
    assert stale.returncode == 2
    assert "is stale; run python tools/build_model_zoo.py" in stale.stderr
    assert refresh(again, checkout) == ["README.md", "docs/model_zoo.md"]
    assert stale_documents(again, checkout) == {}
    assert "11.80" in cells_of((checkout / "README.md").read_text())[2]


def test_a_config_without_entry_is_told(checkout):
    (checkout / "configs" / "mine_coco.py").write_text("model = dict(type='GFL')\n")
    told = run_here("build_model_zoo", "--root", checkout, cwd=checkout)
    assert told.returncode == 2
    assert "differ in configs/mine_coco.py" in told.stderr


def test_an_incomplete_entry_is_told(checkout):
    file = checkout / "configs" / "metafile.yml"
    content = yaml.safe_load(file.read_text())
    del content["Models"][0]["Metadata"]
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match="has no Metadata, Backbone"):
        read_metafile(checkout)


def test_a_document_without_markers_is_told(checkout):
    (checkout / "README.md").write_text("no table\n")
    with pytest.raises(DataError, match="needs one"):
        stale_documents(read_metafile(checkout), checkout)
