"""Spoil files that people hand over, and see what reading them comes to.

    python tests/support/fuzz_files.py --checkpoint epoch_1.pth --model exported.onnx

Checkpoints, safetensors, stored configs, descriptions, exported models, pictures and
films are spoilt by flipped, cut, doubled and overwritten bytes, and those of JSON by
exchanged values. Each is read in a forked process with a bound of memory and time: only
an answer or the one sentence of a `UserError` is right.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import safetensors.torch
import torch
from ghostnet_runtime import Detector
from ghostnet_runtime.description import read_description
from ghostnet_runtime.errors import UserError
from ghostnet_runtime.picture_reading import read_picture
from ghostnet_runtime.picture_sources import VideoFrames
from PIL import Image

from ghostnet_mm.checkpoints import load_checkpoint_file
from ghostnet_mm.datasets.readers.picture_headers import read_header
from ghostnet_mm.engine.inference.stored_model import read_stored_model

MEMORY = 2 * 2**30
SECONDS = 20
BATCH = 25
ODD = (None, True, -1, 0, 1e400, 2**63, "", "x" * 5000, [], {}, [[[]]], "os.system")


def spoilt(content: bytes) -> bytes:
    """Return bytes with one to a few faults."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        place = random.randrange(max(len(changed), 1))
        match random.randrange(6):
            case 0:
                changed[place : place + 1] = bytes([random.randrange(256)])
            case 1:
                changed = changed[:place] if random.random() < 0.2 else changed
            case 2:
                changed[place:place] = changed[place : place + random.randrange(64)]
            case 3:
                changed[place : place + 4] = struct.pack("<I", random.getrandbits(32))
            case 4:
                changed[place : place + 8] = b"\xff" * 7 + b"\x7f"
            case 5:
                # The first bytes say what a file is, and how large.
                start = random.randrange(min(64, len(changed) + 1))
                changed[start : start + 1] = bytes([random.randrange(256)])
    return bytes(changed)


def spoilt_json(content: str) -> str:
    """Return JSON of which some values are exchanged, or its bytes spoilt."""
    if random.random() < 0.3:
        return spoilt(content.encode()).decode("utf-8", "replace")
    value = json.loads(content)
    for _ in range(random.choice((1, 1, 2, 5))):
        part, key = value, None
        while isinstance(part, (dict, list)) and part and random.random() < 0.8:
            holder = part
            key = random.choice(
                list(part) if isinstance(part, dict) else range(len(part))
            )
            part = part[key]
        if key is not None:
            holder[key] = random.choice(ODD)
    return json.dumps(value)


def spoilt_safetensors(content: bytes) -> bytes:
    """Return a file whose header lies about lengths, types and places."""
    if random.random() < 0.4:
        return spoilt(content)
    (length,) = struct.unpack("<Q", content[:8])
    header = spoilt_json(content[8 : 8 + length].decode()).encode()
    told = len(header) if random.random() < 0.9 else random.getrandbits(63)
    return struct.pack("<Q", told) + header + content[8 + length :]


def spoilt_config(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint whose stored config has lines that are spoilt."""
    text = spoilt(checkpoint["meta"]["cfg"].encode()).decode("utf-8", "replace")
    meta = {**checkpoint["meta"], "cfg": text}
    torch.save({**checkpoint, "meta": meta}, path)


def read_film(path: Path) -> None:
    """Read all frames of a film."""
    for number, _ in enumerate(VideoFrames(path).attempts()):
        if number > 200:
            return


def read_both(path: Path) -> None:
    """Read a picture's first bytes and all of it."""
    read_header(str(path))
    read_picture(path)


def run_model(path: Path) -> None:
    """Run an exported model on one picture."""
    Detector(path)(np.zeros((40, 60, 3), np.uint8))


def films() -> dict[str, bytes]:
    """Return two small films."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix, codec in ((".avi", "MJPG"), (".mp4", "mp4v")):
            path = os.path.join(folder, f"a{suffix}")
            writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*codec), 10, (64, 48))
            for shade in range(0, 250, 25):
                writer.write(np.full((48, 64, 3), shade, np.uint8))
            writer.release()
            found[suffix] = Path(path).read_bytes()
    return found


def pictures() -> dict[str, bytes]:
    """Return a small picture in each format."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("png", "jpg", "bmp", "webp", "gif", "tif", "ppm"):
            path = Path(folder, f"a.{suffix}")
            Image.fromarray(pixels).save(path)
            found[f".{suffix}"] = path.read_bytes()
        cv2.imwrite(f"{folder}/b.png", pixels.astype(np.uint16) << 4)
        found["b.png"] = Path(folder, "b.png").read_bytes()
    return found


def targets(
    checkpoint: Path, model: Path
) -> dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]]:
    """Return what writes a spoilt file, and what reads it, by kind."""
    whole = load_checkpoint_file(checkpoint)
    small = dict(list(whole["state_dict"].items())[:40])
    kept = {"state_dict": small, "meta": whole["meta"]}
    tensors = safetensors.torch.save(small)
    onnx = model.read_bytes()
    text = Detector(model).description.to_json()
    with tempfile.TemporaryDirectory() as folder:
        torch.save(kept, f"{folder}/a.pth")
        saved = Path(folder, "a.pth").read_bytes()
    kinds = {"picture": (pictures(), read_both), "film": (films(), read_film)}
    found: dict[str, Any] = {
        "checkpoint": (
            lambda path: path.write_bytes(spoilt(saved)),
            lambda path: read_stored_model(path),
        ),
        "safetensors": (
            lambda path: path.write_bytes(spoilt_safetensors(tensors)),
            lambda path: load_checkpoint_file(path),
        ),
        "stored config": (
            lambda path: spoilt_config(kept, path),
            lambda path: read_stored_model(path),
        ),
        "description": (
            lambda path: path.write_text(spoilt_json(text)),
            lambda path: read_description(path.read_text(), path),
        ),
        "exported model": (lambda path: path.write_bytes(spoilt(onnx)), run_model),
    }
    for kind, (samples, reader) in kinds.items():

        def write(path: Path, samples: dict[str, bytes] = samples) -> None:
            path.write_bytes(spoilt(random.choice(list(samples.values()))))

        found[kind] = (write, reader)
    return found


SUFFIXES = {"safetensors": ".safetensors", "exported model": ".onnx", "film": ".avi"}
SUFFIXES |= {"picture": ".png", "description": ".json"}


def outcome(read: Callable[[Path], object], path: Path) -> str:
    """Return how reading ends: ``read``, ``refused`` or what went wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except UserError as error:
        return "refused" if "\n" not in str(error).strip() else "several lines"
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = "" if trace is None else Path(trace.tb_frame.f_code.co_filename).name
        return f"{type(error).__name__} in {place}: {str(error)[:100]}"
    return "read"


def tried(write: Callable, read: Callable, suffix: str, keep: Path) -> list[str]:
    """Spoil and read a batch of files in a process of its own."""
    seed = random.getrandbits(48)
    into, out = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(into)
        random.seed(seed)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1), os.dup2(null, 2)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        with contextlib.suppress(BaseException):
            for index in range(BATCH):
                path = keep / f"{seed}-{index}{suffix}"
                write(path)
                signal.alarm(SECONDS)
                ended = outcome(read, path)
                signal.alarm(0)
                os.write(out, (ended.replace("\n", " ") + "\n").encode())
                if ended in ("read", "refused"):
                    path.unlink()
        os._exit(0)
    os.close(out)
    with os.fdopen(into) as lines:
        found = lines.read().splitlines()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        found.append(f"killed by {name}: {seed}-{len(found)}{suffix}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60, help="for each kind")
    parser.add_argument("--kinds", nargs="+")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.mkdtemp()))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.keep.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = targets(arguments.checkpoint, arguments.model)
    print(
        "| file | tried | read | refused | anything else |\n|---|---:|---:|---:|---:|"
    )
    for kind in arguments.kinds or found:
        random.seed(arguments.seed)
        write, read = found[kind]
        counts: collections.Counter[str] = collections.Counter()
        end = time.monotonic() + arguments.seconds
        while time.monotonic() < end:
            suffix = SUFFIXES.get(kind, ".pth")
            counts.update(tried(write, read, suffix, arguments.keep))
        good = counts.pop("read", 0), counts.pop("refused", 0)
        bad = counts.total()
        print(
            f"| {kind} | {sum(good) + bad} | {good[0]} | {good[1]} | {bad} |",
            flush=True,
        )
        for what, times in counts.most_common(12):
            print(f"    {times} x {what}", flush=True)
    print("files that went wrong are in", arguments.keep)


if __name__ == "__main__":
    main()
