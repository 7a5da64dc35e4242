"""Reading a config from text without running it.

A checkpoint carries the text of its config. mmengine would execute that text, and a
checkpoint may come from anywhere: only literals, ``dict(...)``, lists and tuples are
read here, which is all that mmengine writes.
"""

import ast
from typing import Any

from ...errors import OptionError


def config_from_text(text: str) -> dict[str, Any]:
    """Return the settings of a config that mmengine has written out.

    Raises:
        OptionError: The text holds anything but plain assignments of plain values.
    """
    try:
        statements = ast.parse(text).body
    except SyntaxError as error:
        raise _refused(f"line {error.lineno} is not Python") from error
    settings = {}
    for statement in statements:
        if (
            not isinstance(statement, ast.Assign)
            or len(statement.targets) != 1
            or not isinstance(statement.targets[0], ast.Name)
        ):
            raise _refused(f"line {statement.lineno} is not a plain assignment")
        settings[statement.targets[0].id] = _value(statement.value)
    return settings


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        keys = [_value(key) for key in node.keys if key is not None]
        if len(keys) == len(node.values):  # nothing is unpacked with **
            return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    if isinstance(node, ast.Call) and _is_plain_dict(node):
        # mmengine writes keys that are no names as dict({'a.b': 1}).
        items = _value(node.args[0]) if node.args else {}
        named = {keyword.arg: _value(keyword.value) for keyword in node.keywords}
        return {**items, **named}
    try:
        return ast.literal_eval(node)
    except ValueError:
        text = ast.unparse(node)
        raise _refused(f"line {node.lineno} holds {text[:60]!r}") from None


def _is_plain_dict(call: ast.Call) -> bool:
    return (
        isinstance(call.func, ast.Name)
        and call.func.id == "dict"
        and all(keyword.arg is not None for keyword in call.keywords)
        and (not call.args or [type(argument) for argument in call.args] == [ast.Dict])
    )


def _refused(reason: str) -> OptionError:
    return OptionError(
        f"The stored config is not one that mmengine has written ({reason}); pass the "
        f"config file itself."
    )
