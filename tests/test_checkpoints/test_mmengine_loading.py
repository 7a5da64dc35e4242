"""mmengine's own checkpoints: written by a Runner, read and resumed by another."""

import http.server
import os
import pickle
import shutil
import threading

import mmengine.runner.checkpoint as mmengine_checkpoint
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner, load_checkpoint
from torch import nn

from ghostnet_mm.checkpoints import install_safe_loading, load_checkpoint_file
from ghostnet_mm.errors import CheckpointError


@pytest.fixture(autouse=True)
def _safe_loading():
    install_safe_loading()


class Payload:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


class TinyModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))

    def forward(self, x, y, mode):
        loss = (self.layers(x)[:, 0] - y).square().mean()
        return {"loss": loss} if mode == "loss" else [loss]


def make_dataset():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 4, generator=generator)
    return [{"x": row, "y": row.sum()} for row in x]


def make_runner(work_dir, **options):
    torch.manual_seed(0)
    return Runner(
        model=TinyModel(),
        work_dir=str(work_dir),
        experiment_name=work_dir.name,
        train_dataloader={
            "batch_size": 4,
            "dataset": make_dataset(),
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": {"type": "default_collate"},
        },
        train_cfg={"by_epoch": True, "max_epochs": 4},
        optim_wrapper={"optimizer": {"type": "AdamW", "lr": 0.05}},
        param_scheduler=[
            {
                "type": "OneCycleLR",
                "eta_max": 0.05,
                "total_steps": 12,
                "by_epoch": False,
            },
            {"type": "MultiStepLR", "milestones": [3]},
        ],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}},
        custom_hooks=[{"type": "EMAHook"}],
        default_scope="mmengine",
        **options,
    )


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """The work dir of four epochs, three iterations each."""
    work_dir = tmp_path_factory.mktemp("finished")
    make_runner(work_dir).train()
    return work_dir


def test_a_resumed_run_ends_where_the_uninterrupted_one_did(finished_run, tmp_path):
    interrupted = tmp_path / "interrupted"
    interrupted.mkdir()
    shutil.copy(finished_run / "epoch_2.pth", interrupted)
    (interrupted / "last_checkpoint").write_text(str(interrupted / "epoch_2.pth"))
    runner = make_runner(interrupted, resume=True)
    runner.train()
    assert runner.iter == 12
    assert not (interrupted / "epoch_1.pth").exists()

    expected = load_checkpoint_file(finished_run / "epoch_4.pth")
    found = load_checkpoint_file(interrupted / "epoch_4.pth")
    for part in ("state_dict", "ema_state_dict", "optimizer"):
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)
    assert found["param_schedulers"] == expected["param_schedulers"]
    for name, log in expected["message_hub"]["log_scalars"].items():
        if "time" not in name:
            restored = found["message_hub"]["log_scalars"][name]
            torch.testing.assert_close(restored.data, log.data, rtol=0, atol=0)


def test_mmengines_checkpoint_holds_what_torch_refuses(finished_run):
    """Otherwise the tests above show nothing."""
    path = finished_run / "epoch_2.pth"
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    trusted = torch.load(path, weights_only=False)
    ours = load_checkpoint_file(path)
    assert ours.keys() == trusted.keys()
    assert ours["meta"] == trusted["meta"]
    assert ours["param_schedulers"] == trusted["param_schedulers"]
    torch.testing.assert_close(ours["optimizer"], trusted["optimizer"], rtol=0, atol=0)
    ours, trusted = ours["message_hub"], trusted["message_hub"]
    assert ours["runtime_info"] == trusted["runtime_info"]
    assert ours["resumed_keys"] == trusted["resumed_keys"]
    assert ours["log_scalars"].keys() == trusted["log_scalars"].keys() != set()
    for name, log in trusted["log_scalars"].items():
        assert type(ours["log_scalars"][name]) is HistoryBuffer
        torch.testing.assert_close(ours["log_scalars"][name].data, log.data)


def test_load_from_and_pretrained_come_through_the_safe_loader(finished_run, tmp_path):
    path = finished_run / "epoch_4.pth"
    expected = load_checkpoint_file(path)["state_dict"]

    model = TinyModel()
    load_checkpoint(model, str(path), strict=True)
    torch.testing.assert_close(model.state_dict(), expected)

    model = TinyModel()
    model.init_cfg = {"type": "Pretrained", "checkpoint": str(path)}
    model.init_weights()
    torch.testing.assert_close(model.state_dict(), expected)

    path = tmp_path / "evil.pth"
    torch.save({"state_dict": expected, "x": Payload(tmp_path / "ran")}, path)
    with pytest.raises(CheckpointError, match="could run code"):
        load_checkpoint(TinyModel(), str(path))
    with pytest.raises(CheckpointError, match="could run code"):
        make_runner(tmp_path / "w", load_from=str(path)).train()
    assert not (tmp_path / "ran").exists()


def test_installing_twice_changes_nothing():
    schemes = dict(mmengine_checkpoint.CheckpointLoader._schemes)
    torch_load = torch.load
    install_safe_loading()
    assert dict(mmengine_checkpoint.CheckpointLoader._schemes) == schemes
    assert list(mmengine_checkpoint.CheckpointLoader._schemes) == list(schemes)
    assert torch.load is torch_load


def test_the_unsafe_fallback_of_onedl_is_replaced(tmp_path, monkeypatch):
    def load_without_protection(file, map_location=None, weights_only=None):
        return torch.load(file, map_location=map_location, weights_only=False)

    monkeypatch.setattr(
        mmengine_checkpoint, "_safe_torch_load", load_without_protection, raising=False
    )
    install_safe_loading()
    path = tmp_path / "a.pth"
    torch.save(Payload(tmp_path / "ran"), path)
    for weights_only in (None, False):
        with pytest.raises(CheckpointError, match="could run code"):
            mmengine_checkpoint._safe_torch_load(path, weights_only=weights_only)
        with (
            path.open("rb") as stream,
            pytest.raises(CheckpointError, match="could run code"),
        ):
            mmengine_checkpoint._safe_torch_load(stream, "cpu", weights_only)
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def web_folder(tmp_path):
    """A folder, and the address under which this machine serves it."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_downloads_are_cached_and_loaded_safely(web_folder, tmp_path, monkeypatch):
    folder, address = web_folder
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    torch.save({"state_dict": TinyModel().state_dict()}, folder / "good.pth")
    torch.save(Payload(tmp_path / "ran"), folder / "evil.pth")

    # The door: mmengine's own loader calls this.
    torch.hub.load_state_dict_from_url(f"{address}/evil.pth", progress=False)
    assert (tmp_path / "ran").is_dir()
    (tmp_path / "ran").rmdir()

    with pytest.raises(CheckpointError, match="could run code"):
        load_checkpoint(TinyModel(), f"{address}/evil.pth")
    assert not (tmp_path / "ran").exists()

    expected = load_checkpoint_file(folder / "good.pth")["state_dict"]
    for _ in range(2):  # the second time from the cache
        model = TinyModel()
        load_checkpoint(model, f"{address}/good.pth", strict=True)
        torch.testing.assert_close(model.state_dict(), expected)
        (folder / "good.pth").unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        load_checkpoint(TinyModel(), f"{address}/missing.pth")
    assert not (tmp_path / "hub" / "checkpoints" / "missing.pth").exists()
