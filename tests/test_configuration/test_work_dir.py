import os

import pytest

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.files.work_dir import check_work_dir, remove_left_overs
from ghostnet_mm.errors import OptionError


@pytest.fixture
def finished_run(tiny, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    load_config(tiny).dump(folder / tiny.name)
    (folder / "epoch_1.pth").write_bytes(b"")
    return folder


def load(tiny, folder, **cfg_options):
    options = {key.replace("__", "."): value for key, value in cfg_options.items()}
    return load_config(tiny, Options(cfg_options=options, work_dir=str(folder)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"train_cfg__max_epochs": 3},
        {"model__backbone__init_cfg": dict(type="Pretrained", checkpoint="x.pth")},
    ],
)
def test_the_same_model_may_run_again(tiny, finished_run, options):
    check_work_dir(load(tiny, finished_run, **options))


def test_a_new_folder_and_one_with_other_things(tiny, tmp_path):
    check_work_dir(load(tiny, tmp_path / "new"))
    (tmp_path / "setup.py").write_text("print('not a config')")
    (tmp_path / "notes.py").write_bytes(b"\xff\xfe")
    check_work_dir(load(tiny, tmp_path))
    assert not (tmp_path / "new").exists()


def test_another_model_needs_another_folder(tiny, finished_run):
    cfg = load(tiny, finished_run, model__backbone__widen_factor=1.0)
    with pytest.raises(OptionError, match=r"widen_factor was 0\.5 and is now 1\.0"):
        check_work_dir(cfg)
    # Without a checkpoint there is nothing that two models could mix up.
    (finished_run / "epoch_1.pth").unlink()
    check_work_dir(cfg)


def test_another_config_needs_another_folder(tiny, finished_run):
    (finished_run / tiny.name).rename(finished_run / "other.py")
    with pytest.raises(OptionError, match=r"a run of other\.py.*--work-dir"):
        check_work_dir(load(tiny, finished_run))


def test_a_file_is_no_work_dir(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="is a file"):
        check_work_dir(load(tiny, tmp_path / "file"))


def test_a_config_that_was_cut_off_is_no_other_model(tmp_path, tiny):
    """A run that was killed while mmengine wrote the file goes on."""
    cfg = load_config(tiny, Options(work_dir=tmp_path))
    (tmp_path / "epoch_1.pth").touch()
    text = cfg.pretty_text
    for length in (0, len(text) // 3, text.index("model =") - 1):
        (tmp_path / "tiny_detector.py").write_text(text[:length])
        check_work_dir(cfg)


def test_what_a_kill_has_left_is_no_run_and_goes(tmp_path, tiny):
    cfg = load_config(tiny, Options(work_dir=tmp_path))
    old, new = tmp_path / ".unfinished-a1.py", tmp_path / ".unfinished-b2.pth"
    for file in (old, new):
        file.write_text(cfg.pretty_text)
    check_work_dir(cfg)
    os.utime(old, (0, 0))
    (tmp_path / "epoch_1.pth").touch()
    os.utime(tmp_path / "epoch_1.pth", (0, 0))
    remove_left_overs(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [new.name, "epoch_1.pth"]
