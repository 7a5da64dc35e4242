"""Settings for worker processes that a run does not have."""

import pytest
import torch
from mmengine.runner import Runner
from support.tiny_coco import make_tiny_coco

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.data import dataloaders


@pytest.mark.parametrize(
    "setting",
    [
        dict(persistent_workers=True),
        dict(prefetch_factor=4),
        dict(multiprocessing_context="spawn"),
        dict(timeout=30),
    ],
)
def test_a_loader_without_workers_gives_batches(tiny, tmp_path, capsys, setting):
    """Catches PyTorch's refusal, which comes when the first epoch has begun."""
    root = make_tiny_coco(tmp_path)
    (name, value), *_ = setting.items()
    options = {f"train_dataloader.{name}": value, "train_dataloader.num_workers": 0}
    cfg = load_config(tiny, Options(data_root=str(root), cfg_options=options))
    told = capsys.readouterr().out
    assert f"train_dataloader: without workers there is no {name}={value!r}" in told
    loader = Runner.build_dataloader(cfg.train_dataloader)
    assert isinstance(next(iter(loader))["inputs"][0], torch.Tensor)


def test_workers_keep_what_is_said_of_them(tiny, capsys):
    options = {
        "train_dataloader.num_workers": 2,
        "train_dataloader.persistent_workers": True,
        "train_dataloader.prefetch_factor": 4,
    }
    loader = load_config(tiny, Options(cfg_options=options)).train_dataloader
    assert (loader.persistent_workers, loader.prefetch_factor) == (True, 4)
    assert "without workers" not in capsys.readouterr().out


def test_one_line_for_all_loaders(project_root, capsys):
    """The recipe that the quickstart trains, as its guide advises for a first look."""
    splits = ("train", "val", "test")
    options = {f"{split}_dataloader.num_workers": 0 for split in splits}
    path = project_root / "configs" / "retinanet_ghostnet_digits.py"
    load_config(path, Options(cfg_options=options))
    assert capsys.readouterr().out.splitlines() == [
        "train_dataloader, val_dataloader, test_dataloader: without workers there is "
        "no persistent_workers=True"
    ]


def test_no_more_workers_than_cores_unless_they_are_asked_for(
    project_root, capsys, monkeypatch
):
    """Catches eight processes on two cores, and PyTorch's warning each epoch."""
    monkeypatch.setattr(dataloaders, "usable_cores", lambda: 2)
    path = project_root / "configs" / "gfl_ghostnet-nano_coco.py"
    cfg = load_config(path)
    workers = [cfg[f"{split}_dataloader"].num_workers for split in ("train", "val")]
    assert workers == [2, 2]
    told = capsys.readouterr().out
    assert (
        "train: 2 loading processes, one for each core, where the config has 8" in told
    )
    asked = Options(cfg_options={"train_dataloader.num_workers": 5})
    assert load_config(path, asked).train_dataloader.num_workers == 5
    monkeypatch.setattr(dataloaders, "usable_cores", lambda: 64)
    capsys.readouterr()
    assert load_config(path).train_dataloader.num_workers == 8
    assert "loading process" not in capsys.readouterr().out
