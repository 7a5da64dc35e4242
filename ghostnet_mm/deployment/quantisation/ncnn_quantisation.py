"""INT8 for ncnn: by its own two programs, which no Python package brings."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import OptionError
from ..model_files import finished_model, read_description, write_description

TABLE, INT8 = "ncnn2table", "ncnn2int8"
LAST_LINES = 3
METHODS = {"entropy": "kl", "percentile": "aciq"}


def ncnn_programs() -> tuple[str, str]:
    """Return the paths of ncnn2table and ncnn2int8.

    Raises:
        OptionError: They are not on the PATH; the pip packages ncnn and pnnx have
            neither.
    """
    found = shutil.which(TABLE), shutil.which(INT8)
    if None in found:
        raise OptionError(
            f"{TABLE} and {INT8} are not on the PATH: unpack them from a release of "
            "https://github.com/Tencent/ncnn/releases, as the packages of pip lack "
            "them."
        )
    return found


def quantise_ncnn(
    source: str | os.PathLike,
    path: str | os.PathLike,
    images: Sequence[np.ndarray],
    method: str = "entropy",
) -> Path:
    """Write an INT8 file for ncnn.

    ncnn quantises convolutions, each channel's weights on their own, and leaves the
    rest in float. It reads calibration images from ``.npy`` files, as the network is
    fed them.

    Args:
        source: A ``.ncnn.param`` file in float, its weights beside it.
        path: The ``.ncnn.param`` file to write.
        images: What the network is fed: ``(1, 3, H, W)`` float32 each.
        method: ``entropy`` or ``percentile``: ncnn's ``kl`` and ``aciq``.

    Raises:
        OptionError: The programs are missing, or the method is not ncnn's.
    """
    table_program, int8_program = ncnn_programs()
    if method not in METHODS:
        raise OptionError(
            f"--calibration {method} is not ncnn's: choose among {', '.join(METHODS)}."
        )
    source = Path(source)
    description = read_description(source)
    _, _, height, width = images[0].shape
    with finished_model(path, ".ncnn.param") as scratch:
        work = scratch.parent / "calibration"
        work.mkdir()
        listed = []
        for index, image in enumerate(images):
            file = work / f"{index}.npy"
            np.save(file, image[0])
            listed.append(str(file))
        names = work / "list.txt"
        names.write_text("\n".join(listed) + "\n", encoding="utf-8")
        table = work / "model.table"
        weights = source.with_suffix(".bin")
        _run(
            table_program, str(source), str(weights), str(names), str(table),
            f"shape=[{width},{height},3]", f"method={METHODS[method]}", "type=1",
        )  # fmt: skip
        _run(
            int8_program, str(source), str(weights), str(scratch),
            str(scratch.with_suffix(".bin")), str(table),
        )  # fmt: skip
        shutil.rmtree(work)
        write_description(description, scratch)
    return Path(path)


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])
        raise RuntimeError(f"{program} ended with status {done.returncode}:\n{said}")
