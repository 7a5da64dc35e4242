"""The files that an exported model consists of, and how they are written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..engine.finished_folder import finished_folder
from ..errors import OptionError

# A name may contain other dots: ghostnet-1.1x.
MODEL_SUFFIXES = (
    ".ncnn.param",
    ".param",
    ".onnx",
    ".xml",
    ".pt2",
    ".pt",
    ".pte",
    ".tflite",
)


def description_path(path: str | os.PathLike) -> Path:
    """Return the file of the description of a model that cannot hold it itself."""
    path = Path(path)
    for suffix in MODEL_SUFFIXES:
        if path.name.endswith(suffix):
            return path.with_name(f"{path.name.removesuffix(suffix)}.json")
    return path.with_suffix(".json")


def write_description(description: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write the description that belongs to the model file ``path``."""
    text = json.dumps(description, indent=2, ensure_ascii=False)
    description_path(path).write_text(f"{text}\n", encoding="utf-8")


def read_description(path: str | os.PathLike) -> dict[str, Any]:
    """Read the description beside the model file ``path``.

    Raises:
        OptionError: There is none, or it is damaged.
    """
    beside = description_path(path)
    try:
        description = json.loads(beside.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OptionError(
            f"{path} needs its description {beside.name} in the same folder; copy it "
            "from where the model was exported."
        ) from error
    except ValueError as error:
        raise OptionError(f"{beside} is not JSON; export the model anew.") from error
    if not isinstance(description, dict) or "outputs" not in description:
        raise OptionError(f"{beside} describes no detector; export the model anew.")
    return description


@contextmanager
def finished_model(path: str | os.PathLike, suffix: str) -> Iterator[Path]:
    """Give a scratch path for a model; its files move to ``path`` after success.

    All files that the block writes beside the scratch path move along. After an error
    nothing is left behind, and an older model is as it was.

    Args:
        path: Where the model is wanted.
        suffix: What its name must end in.

    Raises:
        OptionError: The name ends otherwise, or the place cannot be written.
    """
    path = Path(path).expanduser()
    if not path.name.endswith(suffix) or path.is_dir():
        raise OptionError(f"The model {path} cannot be written: name a {suffix} file.")
    with finished_folder(path.parent) as folder:
        yield folder / path.name
