"""Building parts of a model without memory, and telling what stops them in a sentence.

A model is built once on torch's meta device before a run touches the disk: every
impossible option is then found while there is still nothing to clean up.
"""

import copy
import difflib
import inspect
import linecache
import re
from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any

import mmdet.registry
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.registry import Registry
from torch import nn

from ...errors import OptionError, UserError

NOT_REGISTERED = re.compile(r"(\S+) is not in the \S*?::?(.+?) registry")
WRONG_ARGUMENT = re.compile(
    r"(\w+)(?:\.\w+)?\(\) (?:got an unexpected keyword argument|missing \d+ required)"
)


def build_on_meta(
    part: Mapping[str, Any], place: str, backbone: nn.Module | None = None
) -> nn.Module:
    """Build a part of a model without allocating or initializing its weights.

    Args:
        part: The config of the part, with its ``type``; it is not changed.
        place: Where it stands in the config, such as ``model.neck``, for messages.
        backbone: What ``part["backbone"]`` makes, where it has been built already.

    Returns:
        The module in eval mode; its tensors are on the meta device, or on the CPU where
        the constructor needs real numbers.

    Raises:
        OptionError: A type is not registered, an argument does not exist, or the
            constructor refuses its arguments.
    """
    try:
        try:
            with torch.device("meta"):
                module = MODELS.build(_around(backbone, part))
        except (NotImplementedError, RuntimeError) as error:
            if isinstance(error, UserError) or "meta" not in str(error).lower():
                raise
            # All of it anew: a backbone without numbers fits no neck that has them.
            module = MODELS.build(copy.deepcopy(dict(part)))
    except UserError:
        raise
    except (KeyError, TypeError, AssertionError, ValueError) as error:
        mistake = option_error_for(error, part, place)
        if mistake is None:
            raise
        raise mistake from error
    module.eval()  # mmdet's backbones return None from it
    return module


def _around(backbone: nn.Module | None, part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a model's config in which ``backbone`` is taken as it is."""
    if backbone is None:
        return copy.deepcopy(dict(part))
    others = {key: value for key, value in part.items() if key != "backbone"}
    # A registry calls whatever it finds under `type`.
    return {**copy.deepcopy(others), "backbone": ConfigDict(type=lambda: backbone)}


def option_error_for(
    error: Exception, part: Mapping[str, Any], place: str
) -> OptionError | None:
    """Translate what a registry or a constructor raised, or None if it is a bug."""
    if isinstance(error, KeyError):
        found = NOT_REGISTERED.search(str(error))
        return _unknown_type(found, part, place) if found else None
    if isinstance(error, TypeError):
        frame = _last_traceback(error).tb_frame
        found = WRONG_ARGUMENT.search(str(error))
        return _wrong_argument(error, part, place) if found and _builds(frame) else None
    step = _last_traceback(error)
    owner = step.tb_frame.f_locals.get("self")
    name = type(owner).__name__
    where = place if owner is None else next(_places_of_type(part, name, place), place)
    reason = f": {' '.join(str(error).split())}".rstrip(".")
    if not str(error).strip():
        file, line = step.tb_frame.f_code.co_filename, step.tb_lineno
        reason = f", for it does not meet `{linecache.getline(file, line).strip()}`"
    what = "" if owner is None else f" a {name}"
    return OptionError(
        f"{where} cannot be built as{what or ' asked'}{reason}; correct the config or "
        f"--cfg-options."
    )


def _last_traceback(error: BaseException) -> TracebackType:
    step = error.__traceback__
    assert step is not None  # it has been raised
    while step.tb_next is not None:
        step = step.tb_next
    return step


def _builds(frame: FrameType) -> bool:
    """Whether ``frame`` passes on a config's arguments, rather than its own."""
    takes_any = frame.f_code.co_flags & inspect.CO_VARKEYWORDS
    return bool(takes_any) or frame.f_code.co_filename.endswith("build_functions.py")


def _unknown_type(found: re.Match, part: Mapping[str, Any], place: str) -> OptionError:
    name, registry_name = found[1].strip("'\""), found[2]
    where = next(_places_of_type(part, name, place), place)
    close = difflib.get_close_matches(
        name, _registered_names(registry_name), n=3, cutoff=0.6
    )
    advice = (
        f"did you mean {' or '.join(close)}?"
        if close
        else "check its spelling, or import its module through custom_imports."
    )
    return OptionError(
        f"{where}.type is {name!r}, which is not a registered {registry_name}; {advice}"
    )


def _registered_names(registry_name: str) -> list[str]:
    names: list[str] = []
    for registry in vars(mmdet.registry).values():
        if isinstance(registry, Registry) and registry.name == registry_name:
            names += registry.module_dict
            names += registry.parent.module_dict if registry.parent else []
    return names


def _places_of_type(node: Any, name: str, place: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        if node.get("type") == name:
            yield place
        for key, value in node.items():
            yield from _places_of_type(value, name, f"{place}.{key}")
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _places_of_type(value, name, f"{place}.{index}")


def _wrong_argument(
    error: TypeError, part: Mapping[str, Any], place: str
) -> OptionError:
    # A shared base class may own the constructor; the registry's frame has the type.
    frame = _last_traceback(error).tb_frame
    owner = frame.f_locals.get("obj_type") or type(frame.f_locals.get("self")).__name__
    where = next(_places_of_type(part, owner, place), place)
    argument = re.search(r"argument '(\w+)'", str(error))
    if "unexpected" not in str(error) or argument is None:
        missing = str(error).partition("() ")[2].rstrip(".")
        return OptionError(f"{where} ({owner}) is {missing}; add it to the config.")
    builder = MODELS.get(owner)
    known = [] if builder is None else list(inspect.signature(builder).parameters)
    close = difflib.get_close_matches(argument[1], known, n=1, cutoff=0.6)
    advice = f"did you mean {close[0]!r}?" if close else "take it out."
    return OptionError(f"{where} ({owner}) has no argument {argument[1]!r}; {advice}")
