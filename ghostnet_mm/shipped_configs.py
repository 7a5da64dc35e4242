"""The configs that come with the package, found by name from anywhere.

They are the ``configs/`` of the project. In an installed package they lie where mim
puts those of mmdet, in ``.mim/configs``; in a checkout that is a link to ``configs/``.
The standard library is enough here: the command line asks before torch is imported.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = "ghostnet_mm"
SUFFIXES = (".py", ".yaml", ".yml", ".json")
# Written so in a checkout; elsewhere the same words mean the same config.
FOLDER = "configs"


def shipped_root() -> Path:
    """Return the folder that holds ``configs/``, with its ``metafile.yml``."""
    package = Path(__file__).resolve().parent
    installed = package / ".mim"
    # A checkout on a file system without links has a small text file there.
    return installed if (installed / FOLDER).is_dir() else package.parent


def shipped_names() -> list[str]:
    """Return the names, such as ``retinanet_ghostnet_coco``, in alphabetical order."""
    return sorted(path.stem for path in (shipped_root() / FOLDER).glob("*.py"))


def shipped_config(name: str) -> Path | None:
    """Find a config by its name.

    Args:
        name: ``retinanet_ghostnet_coco``, with or without ``.py``, alone or behind
            ``configs/`` or ``ghostnet_mm::``; ``_base_/finetune_small_data`` for one of
            the shared parts.

    Returns:
        Its file, or None if there is none of that name.
    """
    for before in ("./", f"{FOLDER}/", f"{PACKAGE}::"):
        name = name.removeprefix(before)
    folder = shipped_root() / FOLDER
    path = folder / f"{config_name(name, keep_folder=True)}.py"
    # Not something that ../ leads to.
    inside = path.parent in (folder, folder / "_base_")
    return path if inside and path.is_file() else None


def config_name(path: str, keep_folder: bool = False) -> str:
    """Return the last part of a config's path without its suffix.

    The part after the last dot is a suffix only if configs have it: the name
    ``retinanet_ghostnet-1.1x_coco`` has none.
    """
    name = path if keep_folder else Path(path).name
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
