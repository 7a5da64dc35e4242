"""Catching ``--cfg-options`` keys that would change nothing.

mmengine merges any key into a config, so a typo trains the unchanged model without a
word. The rules here:

* a key that the config has is fine;
* the first part must be a setting that the runner reads. A variable of the file, such
  as ``data_root``, was used up when the file was read, so changing it does nothing;
* below that, a new key is fine (``model.backbone.with_cp=True`` where the file says
  nothing about it) unless its dict has a key that is spelt nearly the same. A name that
  a constructor does not take is found later, when the model is built.
"""

import difflib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ...errors import OptionError

# Read through runner.cfg or by the tools rather than as arguments of the runner.
READ_ELSEWHERE = {
    "activation_checkpointing",
    "compile",
    "custom_imports",
    "efficient_conv_bn_eval",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "runner_type",
    "sync_bn",
    "tta_model",
    "tta_pipeline",
}
NEARLY_THE_SAME = 0.85


def check_option_keys(cfg: Config, assignments: Mapping[str, Any]) -> None:
    """Refuse assignments that would have no effect.

    Args:
        cfg: The config before the assignments.
        assignments: Dotted keys and their values.

    Raises:
        OptionError: A key hits nothing; the message suggests the nearest one.
    """
    settings = set(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"}
    settings |= READ_ELSEWHERE
    for dotted in assignments:
        first = dotted.partition(".")[0]
        if first not in settings:
            _refuse_top_level(cfg, dotted, first, settings)
        _check_parts(cfg, dotted)


def _refuse_top_level(cfg: Config, dotted: str, first: str, settings: set[str]) -> None:
    if first == "data_root":
        raise OptionError(
            "--cfg-options data_root=... would change no dataset, because the file has "
            "already used that variable; pass --data-root DIR."
        )
    if first in cfg:
        raise OptionError(
            f"--cfg-options {dotted} would change nothing: {first} is a variable that "
            f"the config file has already used{_suggest(cfg, dotted, settings)}"
        )
    raise OptionError(
        f"--cfg-options {dotted} hits nothing in the config"
        f"{_suggest(cfg, dotted, settings)}"
    )


def _check_parts(cfg: Config, dotted: str) -> None:
    parts = dotted.split(".")
    node: Any = cfg
    for depth, part in enumerate(parts):
        place = ".".join(parts[:depth])
        if isinstance(node, (list, tuple)):
            if not part.isdigit() or int(part) >= len(node):
                raise OptionError(
                    f"--cfg-options {dotted}: {place} is a list of {len(node)}; "
                    f"{part!r} must be an index from 0 to {len(node) - 1}."
                )
            node = node[int(part)]
        elif isinstance(node, Mapping) or node is cfg:
            if part not in node:
                similar = difflib.get_close_matches(
                    part, map(str, node), n=1, cutoff=NEARLY_THE_SAME
                )
                if similar:
                    better = ".".join([*parts[:depth], similar[0], *parts[depth + 1 :]])
                    raise OptionError(
                        f"--cfg-options {dotted} hits nothing in the config; did you "
                        f"mean {better}?"
                    )
                return
            node = node[part]
        elif node is None:
            return
        else:
            raise OptionError(
                f"--cfg-options {dotted}: {place} is {node!r}, which has no "
                f"{part!r} inside."
            )


def _suggest(cfg: Config, dotted: str, settings: set[str]) -> str:
    last = dotted.rpartition(".")[2]
    candidates = [
        key
        for key in _dotted_keys(cfg)
        if key.rpartition(".")[2] == last and key.partition(".")[0] in settings
    ]
    known = [key for key in cfg if key in settings]
    candidates = difflib.get_close_matches(dotted, known, n=1, cutoff=0.8) + sorted(
        candidates, key=len
    )
    return f"; did you mean {' or '.join(candidates[:3])}?" if candidates else "."


def _dotted_keys(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, (list, tuple)):
        pairs: Any = ((str(index), value) for index, value in enumerate(node))
    elif isinstance(node, Mapping) or not prefix:
        pairs = ((str(key), node[key]) for key in node)
    else:
        return
    for key, value in pairs:
        yield f"{prefix}{key}"
        yield from _dotted_keys(value, f"{prefix}{key}.")
