"""A config that comes along, as one file of the user's that stands alone."""

from __future__ import annotations

import inspect
from pathlib import Path

from ghostnet_runtime.atomic_writing import write_text
from mmengine.config import Config
from mmengine.runner import Runner

from ...errors import OptionError
from ...shipped_configs import config_name, shipped_config
from .option_keys import READ_ELSEWHERE
from .reading import read_config

HEADER = """\
# A copy of {name} of ghostnet_mm {version}, with all that it builds on. It is yours to
# change; train with it by
#   ghostnet train {file} --data-root DIR
{comments}
"""


def copy_config(name: str, folder: str | Path, version: str) -> Path:
    """Write a shipped config without ``_base_`` beside the user's files.

    Variables that only built other settings are left out: in a file where nothing is
    built any more, changing one would do nothing.

    Args:
        name: Of the config; see `ghostnet_mm.shipped_configs.shipped_config`.
        folder: Where to put it; it is made if it does not exist.
        version: Of this package, for the first line.

    Returns:
        The file, named like the config.

    Raises:
        OptionError: There is no such config, it cannot be read, or the file exists.
    """
    source = shipped_config(name)
    if source is None:
        raise OptionError(
            f"There is no config {name}; ghostnet configs lists those that there are."
        )
    target = Path(folder) / source.name
    if target.exists():
        raise OptionError(f"{target} exists; move it away, or choose another folder.")
    settings = set(inspect.signature(Runner.__init__).parameters) | READ_ELSEWHERE
    cfg = read_config(source).to_dict()
    kept = {key: value for key, value in cfg.items() if key in settings}
    try:
        write_text(
            target,
            HEADER.format(
                name=config_name(source.name),
                version=version,
                file=target.name,
                comments=_first_comments(source),
            )
            + Config(kept).pretty_text,
        )
    except OSError as error:
        raise OptionError(
            f"{target} cannot be written ({error.strerror or error}); choose another "
            f"folder."
        ) from error
    return target


def _first_comments(source: Path) -> str:
    """Return what the file says about its recipe: its lines up to the first setting."""
    lines = source.read_text(encoding="utf-8").splitlines()
    count = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(["#", *lines[:count]])
