"""Hostile, damaged and honest checkpoint files."""

import argparse
import collections
import io
import os
import pickle
import shutil
import subprocess

import numpy as np
import pytest
import safetensors.torch
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim import OneCycleLR

from ghostnet_mm.checkpoints.safe_loading import (
    load_checkpoint_file,
    load_checkpoint_stream,
)
from ghostnet_mm.errors import CheckpointError


class Call:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def eval_through_getattr(code):
    """Run code with attributes of HistoryBuffer and torch's own allow-list alone.

    ``_rebuild_from_type_v2`` calls any function; it wants to be told the type of the
    result, and a wrong one is noticed only after the call.
    """
    rebuild = torch._tensor._rebuild_from_type_v2
    builtins = Call(getattr, Call(getattr, HistoryBuffer, "__init__"), "__builtins__")
    look_up = Call(getattr, builtins, "get")
    builtin_type = Call(getattr, look_up, "__class__")
    found_eval = Call(rebuild, look_up, builtin_type, ("eval",), {})
    return Call(rebuild, found_eval, builtin_type, (code,), {})


PAYLOADS = {
    "os.system": lambda command: Call(os.system, command),
    "eval": lambda command: Call(eval, f"__import__('os').system({command!r})"),
    "exec": lambda command: Call(exec, f"__import__('os').system({command!r})"),
    "getattr": lambda command: eval_through_getattr(
        f"__import__('os').system({command!r})"
    ),
    "Popen": lambda command: Call(subprocess.Popen, ["sh", "-c", command]),
    "__import__": lambda command: Call(__import__, "os"),
    "pickle.loads": lambda command: Call(
        pickle.loads, pickle.dumps(Call(os.system, command))
    ),
}


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", PAYLOADS)
def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path, name, zip_format):
    marker = tmp_path / "ran"
    path = tmp_path / "payload.pth"
    payload = {"state_dict": {}, "meta": PAYLOADS[name](f"touch '{marker}'")}
    torch.save(payload, path, _use_new_zipfile_serialization=zip_format)

    with pytest.raises(CheckpointError, match=r"refers to .*could run code"):
        load_checkpoint_file(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["os.system", "eval", "exec", "pickle.loads"])
def test_the_payloads_do_run_where_nothing_protects(tmp_path, name):
    marker = tmp_path / "ran"
    torch.save(PAYLOADS[name](f"touch '{marker}'"), tmp_path / "payload.pth")
    torch.load(tmp_path / "payload.pth", weights_only=False)
    assert marker.exists()


def test_the_refused_name_is_told(tmp_path):
    torch.save(Call(shutil.rmtree, "/nowhere"), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"shutil\.rmtree"):
        load_checkpoint_file(tmp_path / "a.pth")
    torch.save(Call(eval, "1"), tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match="refers to eval,"):
        load_checkpoint_file(tmp_path / "b.pth")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (HistoryBuffer, "__init__"),
        (HistoryBuffer, "register_statistics"),
        (HistoryBuffer, "__setstate__"),
        (torch.Tensor, "__class__"),
        (np.ndarray, "tofile"),
        (collections.OrderedDict, "min"),
    ],
)
def test_getattr_reaches_nothing_but_the_known_functions(tmp_path, owner, name):
    torch.save({"x": Call(getattr, owner, name)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=rf"builtins\.getattr\(\w+, {name}\)"):
        load_checkpoint_file(tmp_path / "a.pth")


def test_code_is_refused_even_where_others_allowed_getattr(tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    path = tmp_path / "payload.pth"
    torch.save(PAYLOADS["getattr"](f"touch '{marker}'"), path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with torch.serialization.safe_globals([getattr, HistoryBuffer]):
        with pytest.raises(CheckpointError, match="getattr"):
            load_checkpoint_file(path)
        assert not marker.exists()

        # What that allow-list lets through, and ours must not inherit:
        with pytest.raises(AttributeError, match="as_subclass"):
            torch.load(path, weights_only=True)
        assert marker.exists()


def test_loading_leaves_the_allow_list_of_the_process_as_it_was(tmp_path):
    before = set(torch.serialization.get_safe_globals())
    torch.save({"h": HistoryBuffer([1.0], [1])}, tmp_path / "a.pth")
    load_checkpoint_file(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError):
        load_checkpoint_file(tmp_path / "b.pth")
    assert set(torch.serialization.get_safe_globals()) == before


def test_a_file_can_not_change_the_statistics_of_the_whole_process(tmp_path):
    poisoned = HistoryBuffer([1.0, 3.0], [1, 1])
    poisoned._statistics_methods = {"mean": HistoryBuffer.min}
    torch.save({"h": poisoned}, tmp_path / "a.pth")
    restored = load_checkpoint_file(tmp_path / "a.pth")["h"]
    assert restored.statistics("mean") == 2.0
    assert HistoryBuffer._statistics_methods["mean"] is HistoryBuffer.mean


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"a": 1}, None], dtype=object),
        np.zeros(2, dtype=[("x", "f4"), ("y", "O")]),
        np.zeros(2, dtype=[("x", "f4")]),
    ],
    ids=["objects", "objects-in-fields", "fields"],
)
def test_arrays_of_anything_but_plain_values_are_refused(tmp_path, array):
    torch.save({"a": array}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"numpy\.dtype"):
        load_checkpoint_file(tmp_path / "a.pth")


class ForgedDtype:
    """A float64 dtype whose state claims that its bytes are object pointers."""

    def __reduce__(self):
        state = (3, "|", None, ("a",), {"a": (np.dtype("f8"), 0)}, 8, 8, 63)
        return np.dtype, ("f8", False, True), state


def test_a_forged_dtype_is_refused(tmp_path):
    torch.save({"a": ForgedDtype()}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"numpy\.dtype with fields"):
        load_checkpoint_file(tmp_path / "a.pth")


ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    np.arange(3, dtype=">f8"),
    np.array([True, False]),
    np.array(["cat", "traffic light"]),
    np.array(3 + 4j),
    np.zeros((0, 4), dtype=np.uint8),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}")
def test_plain_arrays_come_back_as_they_were(tmp_path, array):
    torch.save({"nested": [(array, {"again": array})]}, tmp_path / "a.pth")
    ((first, second),) = load_checkpoint_file(tmp_path / "a.pth")["nested"]
    assert type(first) is np.ndarray
    assert first.dtype == array.dtype
    assert first.flags.writeable
    np.testing.assert_array_equal(first, array)
    assert second["again"] is first


def test_numpy_scalars_and_dtypes_come_back_as_they_were(tmp_path):
    values = [np.float32(0.5), np.int64(-3), np.bool_(True), np.str_("ab")]
    values.append(np.dtype("<i2"))
    torch.save({"v": values}, tmp_path / "a.pth")
    restored = load_checkpoint_file(tmp_path / "a.pth")["v"]
    assert restored == values
    assert [type(v) for v in restored] == [type(v) for v in values]


def test_names_of_numpy_1_are_read_too(tmp_path):
    torch.save(
        {"a": np.arange(3.0)}, tmp_path / "a.pth", _use_new_zipfile_serialization=False
    )
    data = (tmp_path / "a.pth").read_bytes()
    old = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != data or np.__version__.startswith("1.")
    restored = load_checkpoint_stream(io.BytesIO(old), "old")
    np.testing.assert_array_equal(restored["a"], np.arange(3.0))


@pytest.mark.parametrize("values", [[], [1.0, 2.0, 6.0]])
def test_history_buffers_come_back_plain_and_save_again(tmp_path, values):
    path = tmp_path / "a.pth"
    buffer = HistoryBuffer(values, [1] * len(values), max_length=7)
    torch.save({"h": buffer}, path)
    for _ in range(2):
        restored = load_checkpoint_file(path)["h"]
        assert type(restored) is HistoryBuffer
        assert restored.max_length == 7
        for found, wanted in zip(restored.data, buffer.data, strict=True):
            assert type(found) is np.ndarray
            np.testing.assert_array_equal(found, wanted)
        torch.save({"h": restored}, path)
    restored.update(3.0)
    assert restored.statistics("mean") == (sum(values) + 3) / (len(values) + 1)


def test_one_cycle_schedules_come_back(tmp_path):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    state = OneCycleLR(optimizer, eta_max=1.0, total_steps=5).state_dict()
    torch.save(state, tmp_path / "a.pth")
    assert load_checkpoint_file(tmp_path / "a.pth") == state


def test_the_command_line_beside_the_weights_is_plain_data(tmp_path):
    arguments = argparse.Namespace(lr=0.1, sizes=[1, 2], mean=np.float64(0.5))
    torch.save({"args": arguments, "state_dict": {}}, tmp_path / "a.pth.tar")
    restored = load_checkpoint_file(tmp_path / "a.pth.tar")["args"]
    assert type(restored) is argparse.Namespace
    assert restored == arguments


WEIGHTS = {
    "a.weight": torch.linspace(-1, 1, 600).reshape(20, 30),
    "a.num_batches_tracked": torch.tensor(7),
    "half": torch.ones(3, dtype=torch.float16),
    "empty": torch.zeros(0, 2),
}


def save_zip(path):
    torch.save(WEIGHTS, path)


def save_legacy(path):
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)


def save_safetensors(path):
    safetensors.torch.save_file(WEIGHTS, path)


WRITERS = [
    ("a.pth", save_zip),
    ("a.pt", save_legacy),
    ("a.pth.tar", save_zip),
    ("a.bin", save_zip),
    ("a.safetensors", save_safetensors),
]


@pytest.mark.parametrize(("name", "save"), WRITERS, ids=[n for n, _ in WRITERS])
def test_each_kind_of_file_gives_back_its_tensors(tmp_path, name, save):
    save(tmp_path / name)
    restored = load_checkpoint_file(str(tmp_path / name))
    torch.testing.assert_close(dict(restored), WEIGHTS, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "save"), WRITERS, ids=[n for n, _ in WRITERS])
def test_a_file_cut_short_anywhere_is_an_error(tmp_path, name, save):
    save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for length in sorted({0, 1, 7, 9, 100, len(whole) // 2, len(whole) - 1}):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="damaged, incomplete or not"):
            load_checkpoint_file(tmp_path / name)


def test_a_flipped_bit_in_a_tensor_is_an_error(tmp_path):
    path = tmp_path / "a.pth"
    save_zip(path)
    content = bytearray(path.read_bytes())
    start = bytes(content).find(WEIGHTS["a.weight"].numpy().tobytes())
    content[start + 1001] ^= 0b100
    path.write_bytes(content)
    # torch itself does not notice:
    assert not torch.equal(torch.load(path)["a.weight"], WEIGHTS["a.weight"])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint_file(path)


def test_files_saved_without_checksums_are_read(tmp_path):
    computed = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        save_zip(tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(computed)
    restored = load_checkpoint_file(tmp_path / "a.pth")
    torch.testing.assert_close(dict(restored), WEIGHTS, rtol=0, atol=0)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html><body>Not Found</body></html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 20\n",
        b"\x80\x02.",
        b"\x80\x02}q\x00(X\xff\xff\xff\xff",
        bytes(4096),
        b"\xff" * 64,
    ],
)
def test_what_is_not_a_checkpoint_is_an_error(tmp_path, content, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load_checkpoint_file(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load_checkpoint_file(tmp_path / "no.pth")
    with pytest.raises(CheckpointError, match="is a folder"):
        load_checkpoint_file(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_program_is_named_as_such(tmp_path):
    torch.jit.script(torch.nn.ReLU()).save(str(tmp_path / "a.pt"))
    with pytest.raises(CheckpointError, match="TorchScript"):
        load_checkpoint_file(tmp_path / "a.pt")


@pytest.mark.filterwarnings("ignore")
def test_another_pickle_protocol_is_named_as_such(tmp_path):
    torch.save(WEIGHTS, tmp_path / "a.pth", pickle_protocol=4)
    with pytest.raises(CheckpointError, match="pickle protocol"):
        load_checkpoint_file(tmp_path / "a.pth")


def test_tensors_of_an_absent_device_ask_for_a_map_location(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("needs a machine without CUDA")
    path = tmp_path / "a.pth"
    save_legacy(path)
    on_gpu = path.read_bytes().replace(
        b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"
    )
    path.write_bytes(on_gpu)
    assert load_checkpoint_file(path)["half"].device.type == "cpu"
    with pytest.raises(CheckpointError, match="map_location='cpu'"):
        load_checkpoint_file(path, map_location=None)


def test_every_message_is_one_sentence(tmp_path):
    (tmp_path / "text.pth").write_text("hello")
    torch.save(Call(eval, "1"), tmp_path / "evil.pth")
    for name in ("text.pth", "evil.pth", "missing.pth"):
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint_file(tmp_path / name)
        message = str(caught.value).replace(str(tmp_path), "")
        assert "\n" not in message
        assert message.endswith(".")
        assert ". " not in message
