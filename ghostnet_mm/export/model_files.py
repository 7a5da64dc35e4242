"""The files that an exported model consists of, and how they are written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ghostnet_runtime.atomic_writing import finished_folder
from ghostnet_runtime.description import Description
from ghostnet_runtime.description_text import description_file

from ..errors import OptionError


def write_description(description: Description, path: str | os.PathLike[str]) -> None:
    """Write the description that belongs to the model file ``path``."""
    text = f"{description.to_json(indent=2)}\n"
    description_file(path).write_text(text, encoding="utf-8")


def model_files(path: Path) -> list[Path]:
    """Return the files that a model consists of, the description apart."""
    weights = path.with_suffix(".bin")
    has_weights = path.suffix in (".xml", ".param") and weights.is_file()
    return [path, weights] if has_weights else [path]


def copy_model(source: Path, path: Path) -> Path:
    """Copy a model with its weights and the description beside it.

    Returns:
        ``path``.
    """
    for file in model_files(source):
        shutil.copyfile(file, path.with_suffix(file.suffix))
    if description_file(source).is_file():
        shutil.copyfile(description_file(source), description_file(path))
    return path


@contextmanager
def finished_model(path: str | os.PathLike[str], suffix: str) -> Iterator[Path]:
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
