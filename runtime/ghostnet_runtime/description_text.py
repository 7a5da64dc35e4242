"""The text of a model's description: where it is, and whether it can be read at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .errors import ModelError

FORMAT = "ghostnet_mm.detector/1"
# Of ONNX's metadata and of OpenVINO's rt_info.
METADATA_KEY = "ghostnet_mm"


def description_file(path: str | os.PathLike) -> Path:
    """Return where the description is that a model file does not carry itself."""
    stem = Path(path).with_suffix("")
    if stem.suffix == ".ncnn":
        stem = stem.with_suffix("")
    # Not with_suffix: names such as ghostnet-1.1x_coco have a dot.
    return stem.with_name(f"{stem.name}.json")


def find_description(
    path: str | os.PathLike, carried: str | None = None
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
        raise _not_json(beside) from error


def parse_description(text: str, origin: str | os.PathLike) -> dict[str, Any]:
    """Parse a description; only that it is one is checked, not its keys.

    Args:
        text: JSON.
        origin: The file, for messages.

    Raises:
        ModelError: The text is no description of the version that is known here.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise _not_json(origin) from error
    kind = raw.get("format") if isinstance(raw, dict) else None
    if kind != FORMAT:
        raise ModelError(
            f"The description in {origin} has the format {kind!r} and this version of "
            f"ghostnet-runtime reads {FORMAT!r}; install the version of the export."
        )
    return raw


def _not_json(origin: str | os.PathLike) -> ModelError:
    return ModelError(
        f"The description in {origin} is not JSON; export the model anew."
    )
