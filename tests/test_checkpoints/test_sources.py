"""timm:// sources and local files; the hub is cached, absent or on this machine.

Each test gives huggingface_hub a cache of its own; nothing leaves this machine.
"""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import huggingface_hub.constants
import pytest
import safetensors.torch
import torch

from ghostnet_mm.checkpoints import read_weights
from ghostnet_mm.errors import CheckpointError, OptionError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = {"conv_stem.weight": torch.linspace(-1, 1, 54).reshape(2, 3, 3, 3)}
NOWHERE = "http://127.0.0.1:9"  # the discard port: connections are refused


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty cache, and no hub behind it."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    set_endpoint(monkeypatch, NOWHERE)
    return cache


def set_endpoint(monkeypatch, address):
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def write_weights(path, weights=WEIGHTS):
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


def fill_cache(cache, repository, filename, weights=WEIGHTS):
    """Lay a file out as huggingface_hub does: a link to a blob named by its hash."""
    folder = Path(cache) / f"models--{repository.replace('/', '--')}"
    for part in ("refs", "blobs", f"snapshots/{COMMIT}"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "refs/main").write_text(COMMIT)
    written = write_weights(folder / filename, weights)
    digest = hashlib.sha256(written.read_bytes()).hexdigest()
    blob = written.rename(folder / "blobs" / digest)
    (folder / "snapshots" / COMMIT / filename).symlink_to(
        os.path.relpath(blob, folder / "snapshots" / COMMIT)
    )
    return blob


def run_in_subprocess(code, **environment):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, "PYTHONWARNINGS": "ignore", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


READ_AND_REPORT = """
import sys
from ghostnet_mm.checkpoints import read_weights
from ghostnet_mm.errors import UserError
assert "timm" not in sys.modules
try:
    for key, tensor in read_weights("timm://ghostnet_100.in1k").items():
        print(key, tuple(tensor.shape), f"{tensor.sum():.3f}")
except UserError as error:
    print(type(error).__name__, error)
"""


def test_the_cache_under_hf_home_is_used_without_a_network(tmp_path):
    weights = {"conv_stem.weight": torch.full((2, 3), 0.5)}
    fill_cache(tmp_path / "hub", "timm/ghostnet_100.in1k", "model.safetensors", weights)
    run = run_in_subprocess(READ_AND_REPORT, HF_HOME=str(tmp_path), HF_ENDPOINT=NOWHERE)
    assert run.stdout == "conv_stem.weight (2, 3) 3.000\n", run.stderr


def test_offline_with_nothing_cached_is_one_clear_sentence(tmp_path):
    run = run_in_subprocess(
        READ_AND_REPORT, HF_HUB_CACHE=str(tmp_path / "cache"), HF_HUB_OFFLINE="1"
    )
    assert run.stdout.startswith("CheckpointError The weights timm://ghostnet_100.in1k")
    assert f"not in the cache {tmp_path / 'cache'} and" in run.stdout
    assert run.stdout.count("\n") == 1
    assert run.stdout.endswith("--backbone-weights none.\n")
    assert "Retrying" not in run.stderr


def test_an_unreachable_hub_is_asked_once(hub_cache, monkeypatch):
    retrying = []  # hf_hub_download tries again for most of a minute
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *a, **o: retrying.append(a)
    )
    with pytest.raises(CheckpointError, match="could not be downloaded") as caught:
        read_weights("timm://ghostnetv2_100.in1k")
    assert str(hub_cache) in str(caught.value)
    assert retrying == []
    assert not hub_cache.exists()


@pytest.mark.parametrize("filename", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(
    "source", ["timm://ghostnetv3_100", "timm://ghostnetv3_100.in1k"]
)
def test_either_file_of_the_hub_is_read_from_the_cache(hub_cache, source, filename):
    fill_cache(hub_cache, "timm/ghostnetv3_100.in1k", filename)
    torch.testing.assert_close(read_weights(source), WEIGHTS, rtol=0, atol=0)


def test_a_file_laid_into_the_cache_without_a_blob_is_read(hub_cache):
    folder = hub_cache / "models--timm--ghostnet_100.in1k"
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(COMMIT)
    write_weights(folder / "snapshots" / COMMIT / "model.safetensors")
    read = read_weights("timm://ghostnet_100.in1k")
    torch.testing.assert_close(read, WEIGHTS, rtol=0, atol=0)


def test_a_flipped_bit_in_the_cache_is_an_error(hub_cache):
    blob = fill_cache(hub_cache, "timm/ghostnet_100.in1k", "model.safetensors")
    content = bytearray(blob.read_bytes())
    content[-5] ^= 1
    blob.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{blob.name} is damaged; delete it"):
        read_weights("timm://ghostnet_100.in1k")


class FakeHub(http.server.BaseHTTPRequestHandler):
    """Serves one file as the hub does."""

    filename = ""
    content = b""
    requested: list

    def do_HEAD(self):
        self.requested.append((self.command, self.path))
        found = self.path == f"/timm/ghostnet_100.in1k/resolve/main/{self.filename}"
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", COMMIT)
        if found:
            self.send_header("ETag", hashlib.sha256(self.content).hexdigest())
            self.send_header("Content-Length", str(len(self.content)))
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
        self.end_headers()
        return found

    def do_GET(self):
        if self.do_HEAD():
            self.wfile.write(self.content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def fake_hub(hub_cache, monkeypatch):
    handler = type("Handler", (FakeHub,), {"requested": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    set_endpoint(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    yield handler
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("filename", ["model.safetensors", "pytorch_model.bin"])
def test_what_is_not_cached_is_downloaded_once(fake_hub, tmp_path, filename):
    fake_hub.filename = filename
    fake_hub.content = write_weights(tmp_path / filename).read_bytes()
    read = read_weights("timm://ghostnet_100.in1k")
    torch.testing.assert_close(read, WEIGHTS, rtol=0, atol=0)
    assert any(command == "GET" for command, _ in fake_hub.requested)

    fake_hub.requested.clear()
    read = read_weights("timm://ghostnet_100.in1k")
    torch.testing.assert_close(read, WEIGHTS, rtol=0, atol=0)
    assert fake_hub.requested == []


def test_a_hub_without_the_files_is_an_error(fake_hub):
    fake_hub.filename = "other.bin"
    with pytest.raises(CheckpointError, match=r"has none of model\.safetensors"):
        read_weights("timm://ghostnet_100.in1k")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("timm://ghostnet_10", r"no model 'ghostnet_10'; did you mean .*ghostnet_100"),
        ("timm://qqqqqqqqqqqq.zzz", r"no model 'qqqqqqqqqqqq'; check the name"),
        (
            "timm://ghostnet_100.in22k",
            r"no weights 'in22k' for ghostnet_100; it has ghostnet_100\.in1k\.",
        ),
        (
            "timm://ghostnet_050",
            r"no weights for ghostnet_050; choose one of ghostnet_100\.in1k, ",
        ),
        ("timm://ghostnetv3_160.in1k", r"no weights for ghostnetv3_160; choose one of"),
        ("timm://", "does not name a timm model"),
        ("timm://../../etc/passwd", "does not name a timm model"),
        ("timm://ghostnet_100.in1k.pth", "does not name a timm model"),
        ("torchvision://resnet50", "can not be read from 'torchvision://resnet50'"),
        ("https://127.0.0.1/a.pth", "download the file and pass its path"),
        ("", "No weights are named"),
        ("  ", "No weights are named"),
    ],
)
def test_a_source_that_can_not_be_is_an_option_error(hub_cache, source, message):
    with pytest.raises(OptionError, match=message):
        read_weights(source)


@pytest.mark.parametrize(
    "name", ["a.pth", "a.pt", "a.pth.tar", "a.bin", "a.safetensors"]
)
def test_local_files_are_read_and_unwrapped(tmp_path, monkeypatch, name):
    wrapped = {f"module.{key}": value for key, value in WEIGHTS.items()}
    write_weights(tmp_path / name, wrapped)
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in (tmp_path / name, str(tmp_path / name), f"~/{name}"):
        torch.testing.assert_close(read_weights(source), WEIGHTS, rtol=0, atol=0)


def test_a_missing_local_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no\.pth does not exist"):
        read_weights(tmp_path / "no.pth")
