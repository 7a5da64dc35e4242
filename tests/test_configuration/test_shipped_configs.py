"""Configs that come along: by name from any folder, copied, and built upon."""

import shutil

import pytest
from mmengine.config import Config
from support.running_tools import ROOT, run_here
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.benchmarking.candidates import BenchmarkCandidate
from ghostnet_mm.comparison import parse_candidate
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.files.copying import copy_config
from ghostnet_mm.configuration.files.reading import find_config, read_config
from ghostnet_mm.configuration.files.text import config_from_text
from ghostnet_mm.errors import OptionError
from ghostnet_mm.model_zoo import read_metafile
from ghostnet_mm.shipped_configs import config_name, shipped_names, shipped_root

NAME = "retinanet_ghostnet-1.1x_coco"  # has a dot in it
NEW_STYLE = ROOT / "tests" / "support" / "new_style"
# A folder as people have them.
ODD = "Mes réglages, été 写"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder outside the checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_config_of_the_project_comes_along():
    files = sorted(path.stem for path in (ROOT / "configs").glob("*.py"))
    assert shipped_names() == files
    assert (ROOT / "ghostnet_mm" / ".mim" / "configs").samefile(ROOT / "configs")
    entries = read_metafile(shipped_root()).models
    assert sorted(entry["Name"] for entry in entries) == files


@pytest.mark.parametrize(
    "words",
    [
        NAME,
        f"{NAME}.py",
        f"configs/{NAME}.py",
        f"./configs/{NAME}.py",
        f"ghostnet_mm::{NAME}.py",
        f"ghostnet_mm::{NAME}",
    ],
)
def test_a_config_is_found_by_its_name_from_anywhere(words, elsewhere):
    assert find_config(words).samefile(ROOT / "configs" / f"{NAME}.py")
    assert config_name(words.removeprefix("ghostnet_mm::")) == NAME


def test_the_run_of_a_name_is_called_like_it(elsewhere):
    cfg = load_config(NAME, Options(backbone_weights="none"))
    assert cfg.work_dir == f"./work_dirs/{NAME}"
    assert BenchmarkCandidate.parse(NAME).label == NAME
    assert BenchmarkCandidate.parse(f"A={NAME} model.x=1").is_config
    assert parse_candidate(NAME).label == NAME


def test_the_users_own_file_comes_first(elsewhere, capsys):
    own = elsewhere / f"{NAME}.py"
    own.write_text("model = dict(type='Mine')")
    assert read_config(f"{NAME}.py").model.type == "Mine"
    assert capsys.readouterr().out == ""
    assert read_config(NAME).model.type == "Mine"
    assert "of this folder" in capsys.readouterr().out
    (elsewhere / "retinanet_ghostnet_coco").mkdir()  # a folder is no config
    assert read_config("retinanet_ghostnet_coco").model.type == "RetinaNet"


@pytest.mark.parametrize("words", ["../configs/x.py", "/configs/x.py", "sub/x"])
def test_other_folders_are_not_guessed(words, elsewhere):
    with pytest.raises(OptionError, match="does not exist"):
        read_config(words.replace("x", NAME))


def test_a_misspelt_name_brings_the_right_one(elsewhere):
    with pytest.raises(OptionError, match="did you mean retinanet_ghostnet_coco"):
        read_config("retinanet_gostnet_coco")
    with pytest.raises(OptionError, match="ghostnet configs lists"):
        read_config("zzz")


@pytest.mark.parametrize("name", ["gfl_ghostnet-medium_coco", NAME])
def test_a_copy_stands_alone_and_means_the_same(name, elsewhere):
    target = copy_config(name, elsewhere / ODD, "1.2.3")
    assert target == elsewhere / ODD / f"{name}.py"
    text = target.read_text(encoding="utf-8")
    assert "_base_" not in [*config_from_text(text)]
    assert "1.2.3" in text.splitlines()[0]
    # What the original says about its recipe stays.
    assert (ROOT / "configs" / f"{name}.py").read_text().splitlines()[0] in text
    copied, original = Config.fromfile(target), read_config(name)
    for key in ("model", "train_dataloader", "optim_wrapper", "default_hooks"):
        assert copied[key] == original[key], key
    # Variables of the file would look as if they could be changed.
    assert "data_root" not in copied
    assert "train_pipeline" not in copied
    options = Options(backbone_weights="none")
    ours, theirs = (load_config(config, options) for config in (target, name))
    assert ours.model == theirs.model
    with pytest.raises(OptionError, match="exists"):
        copy_config(name, elsewhere / ODD, "1.2.3")
    assert target.read_text(encoding="utf-8") == text


def test_what_cannot_be_copied_is_one_sentence(elsewhere):
    with pytest.raises(OptionError, match="There is no config zzz"):
        copy_config("zzz", elsewhere, "1.2.3")
    (elsewhere / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be written"):
        copy_config(NAME, elsewhere / "file", "1.2.3")


@pytest.mark.parametrize(
    "base", ["ghostnet_mm::retinanet_ghostnet_coco.py", "./teil é.py"]
)
def test_a_config_in_an_odd_folder_builds_on_others(base, elsewhere):
    folder = elsewhere / ODD
    folder.mkdir()
    (folder / "teil é.py").write_text(
        "_base_ = 'ghostnet_mm::retinanet_ghostnet_coco.py'", encoding="utf-8"
    )
    mine = folder / "meine Ziffern.py"
    mine.write_text(
        f"_base_ = {base!r}\nmodel = dict(bbox_head=dict(num_classes=7))",
        encoding="utf-8",
    )
    cfg = load_config(mine, Options(backbone_weights="none"))
    assert cfg.model.backbone.type == "GhostNet"
    assert cfg.model.bbox_head.num_classes == 7
    assert cfg.work_dir == "./work_dirs/meine Ziffern"
    # Whoever reads the checkpoint's copy learns what to import.
    assert (
        "ghostnet_mm" in config_from_text(cfg.pretty_text)["custom_imports"]["imports"]
    )


def test_a_base_that_is_not_there_is_named(elsewhere):
    mine = elsewhere / "mine.py"
    mine.write_text("_base_ = 'ghostnet_mm::zzz.py'")
    with pytest.raises(OptionError, match=r"builds on ghostnet_mm::zzz\.py"):
        read_config(mine)


def test_what_to_import_is_added_to_what_the_config_has(elsewhere):
    mine = elsewhere / "mine.py"
    mine.write_text(
        "model = dict(type='RetinaNet')\n"
        "custom_imports = dict(imports='json', allow_failed_imports=True)"
    )
    found = read_config(mine).custom_imports
    assert found == dict(imports=["json", "ghostnet_mm"], allow_failed_imports=True)


@pytest.fixture(scope="module")
def new_style(tmp_path_factory):
    """A new-style config in an odd folder, trained for an epoch."""
    folder = tmp_path_factory.mktemp("new") / ODD
    shutil.copytree(NEW_STYLE, folder)
    root = make_tiny_coco(folder / "mes données")
    done = run_here("train", "mine.py", "--data-root", root.name, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_new_style_parts_are_named(new_style):
    cfg = read_config(new_style / "mine.py")
    assert cfg.model.type == "RetinaNet"
    assert cfg.model.backbone.type == "GhostNet"
    assert cfg.optim_wrapper.optimizer.type == "AdamW"
    pipeline = cfg.train_dataloader.dataset.pipeline
    assert [step.type for step in pipeline[:2]] == [
        "LoadImageFromFile",
        "LoadAnnotations",
    ]
    assert cfg.train_cfg.max_epochs == 1  # mine.py's, not tiny_base.py's
    assert config_from_text(cfg.pretty_text) == cfg.to_dict()


def test_a_class_behind_another_of_its_name_keeps_its_full_path(elsewhere):
    (elsewhere / "mine.py").write_text(
        "from mmcv.transforms.processing import Resize\n"
        "from mmdet.datasets.transforms.transforms import RandomFlip\n"
        "model = dict(type='RetinaNet', steps=[dict(type=Resize), [RandomFlip]])\n"
    )
    steps = read_config("mine.py").model.steps
    assert steps == [dict(type="mmcv.transforms.processing.Resize"), ["RandomFlip"]]


def test_new_style_configs_train_test_and_detect(new_style):
    checkpoint = "work_dirs/mine/epoch_1.pth"
    arguments = ("mine.py", checkpoint, "--data-root", "mes données")
    tested = run_here("test", *arguments, cwd=new_style)
    assert tested.returncode == 0, tested.stderr
    source = ("mes données/val2017", "--checkpoint", checkpoint)
    found = run_here("detect", *source, "--out", "trouvé", cwd=new_style)
    assert found.returncode == 0, found.stderr
    assert (new_style / "trouvé" / "detections.json").is_file()
