"""The text of a model's description: where it is."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import ModelError

# Of ONNX's metadata and of OpenVINO's rt_info.
METADATA_KEY = "ghostnet_mm"


def description_file(path: str | os.PathLike[str]) -> Path:
    """Return where the description is that a model file does not carry itself."""
    stem = Path(path).with_suffix("")
    if stem.suffix == ".ncnn":
        stem = stem.with_suffix("")
    # Not with_suffix: names such as ghostnet-1.1x_coco have a dot.
    return stem.with_name(f"{stem.name}.json")


def find_description(
    path: str | os.PathLike[str], carried: str | None = None
) -> tuple[str, Path]:
    """Find the description of a model.

    Args:
        path: The model file.
        carried: The description that the file itself holds, if any.

    Returns:
        The text, and the file that it is from.

    Raises:
        ModelError: There is none.
    """
    if carried is not None:
        return carried, Path(path)
    beside = description_file(path)
    try:
        return beside.read_text(encoding="utf-8"), beside
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} needs its description {beside.name}, which is not beside it; copy "
            f"it from where the model was exported, or export it with ghostnet_mm."
        ) from error
    except UnicodeDecodeError as error:
        raise not_json(beside) from error


def not_json(origin: str | os.PathLike[str]) -> ModelError:
    """Return the error for a file whose description is no JSON."""
    return ModelError(
        f"The description in {origin} is not JSON; export the model anew."
    )
