"""Refusing what could run code in a config that is not the user's own.

A config is data once it is read without being run, but mmengine looks up the name of a
part that no registry has as ``package.module.object``, and calls it: ``os.system`` is
such a name. Its file loading takes pickles and YAML objects by the file's suffix.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

from ...errors import OptionError

# What is installed with this package and registers parts.
PACKAGES = ("ghostnet_mm", "mmcv", "mmdet", "mmengine", "mmpretrain", "mmseg", "torch")
# Keys whose value names what is called or imported.
NAMING = frozenset({"constructor", "runner_type", "type"})
SCOPES = frozenset({"_scope_", "default_scope"})
IMPORTS = frozenset({"custom_imports"})
PLAIN_NAME = re.compile(r"\w+")
RUNNING_FILES = (".pickle", ".pkl", ".yaml", ".yml")


def refuse_foreign_parts(cfg: Mapping[str, Any], source: str) -> None:
    """Refuse a config that names anything but parts of the registries.

    Args:
        cfg: The config, read without being run.
        source: What it is called in the message.

    Raises:
        OptionError: It names an object, an import or a file that could run code.
    """
    for key, value in _items(cfg):
        if key in IMPORTS:
            imports = value.get("imports") if isinstance(value, Mapping) else value
            names = [imports] if isinstance(imports, str) else list(imports or [])
            foreign = [name for name in names if not _is_trusted(str(name))]
        elif key in SCOPES:
            foreign = [value] if value and not _is_scope(value) else []
        elif key in NAMING and isinstance(value, str):
            foreign = [] if _is_part(value) else [value]
        elif isinstance(value, str) and value.lower().endswith(RUNNING_FILES):
            foreign = [value]
        else:
            continue
        if foreign:
            raise OptionError(
                f"{source} names {str(foreign[0])[:80]!r} as {key}, which is no "
                f"registered part of {', '.join(PACKAGES[:-1])} and could run code; "
                f"pass a config that you trust as a file, without --safe-config."
            )


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Return keys and values at every depth; those of a list have the list's key."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        key, found = waiting.pop()
        if key:
            yield key, found
        if isinstance(found, Mapping):
            waiting += [(str(name), part) for name, part in found.items()]
        elif isinstance(found, (list, tuple)):
            waiting += [(key, part) for part in found if not isinstance(part, Mapping)]
            waiting += [("", part) for part in found if isinstance(part, Mapping)]


def _is_trusted(name: str) -> bool:
    return name.split(".")[0] in PACKAGES and all(
        map(str.isidentifier, name.split("."))
    )


def _is_scope(name: object) -> bool:
    return isinstance(name, str) and name in PACKAGES


def _is_part(name: str) -> bool:
    """Say whether a name can only lead to something in a registry.

    What no registry has is imported, a plain name as a module, which runs its code.
    """
    scope, dot, rest = name.partition(".")
    if not dot:
        return not _is_module(name)
    if not _is_trusted(name):
        return False
    if PLAIN_NAME.fullmatch(rest) and any(
        rest in registry.module_dict
        for root in _roots()
        for registry in (root, root.children.get(scope))
        if registry is not None
    ):
        return True
    # As a config of the new style is written out: the class under its full name.
    found = get_object_from_string(name)
    return any(
        part is found
        for root in _roots()
        for registry in (root, *root.children.values())
        for part in registry.module_dict.values()
    )


def _is_module(name: str) -> bool:
    """Say whether importing a plain name would run a file; a mere folder has none."""
    if not name.isidentifier():
        return False  # Such as "torchvision/Resize" and "".
    if name in sys.modules:
        return True
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None


def _roots() -> list[Registry]:
    found = vars(mmengine_registry).values()
    return [value for value in found if isinstance(value, Registry)]
