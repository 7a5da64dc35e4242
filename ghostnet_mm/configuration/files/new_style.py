"""Configs of mmengine's new style, whose parts are classes rather than names.

Everything here and in mmdet's command line compares names, and a checkpoint keeps its
config as text. A new-style config is therefore turned into the other form once, when
it is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import Registry

from ..model.task_scopes import scope_of


def is_new_style(cfg: Config) -> bool:
    """Whether mmengine has read ``cfg`` from a file with ``read_base`` or imports."""
    return hasattr(cfg, "_imported_names")


def with_named_parts(cfg: Config) -> Config:
    """Return a new-style config with names in the places of its classes.

    A class goes by the name under which the config's package has it registered, or by
    its full path where it is not, or where another class answers to that name.
    """
    registries = _registries(scope_of(cfg))

    def named(value: Any) -> Any:
        if isinstance(value, (LazyObject, LazyAttr)):
            value = value.build()  # mmengine does so for the values of dicts alone
        if isinstance(value, Mapping):
            return {key: named(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(named(part) for part in value)
        return _name(value, registries) if isinstance(value, type) else value

    settings = {
        key: named(value)
        for key, value in cfg.items()
        if key not in cfg._imported_names  # what the file's own imports brought
    }
    return Config(settings, filename=cfg.filename)


def _registries(scope: str) -> list[Registry]:
    module = importlib.import_module(f"{scope}.registry")
    found = [value for value in vars(module).values() if isinstance(value, Registry)]
    return [registry for registry in found if registry.scope == scope]


def _name(kind: type, registries: list[Registry]) -> str:
    for registry in registries:
        node: Registry | None = registry
        while node is not None:
            if kind.__name__ in node.module_dict:
                if node.module_dict[kind.__name__] is kind:
                    return kind.__name__
                break
            node = node.parent
    return f"{kind.__module__}.{kind.__qualname__}"
