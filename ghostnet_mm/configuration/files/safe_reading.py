"""Reading a config file without running it (``--safe-config``).

mmengine runs a config as Python. Here its text is read as data instead: assignments of
numbers, texts, lists and ``dict(...)``, sums of them, names given before, and bases.
That covers every config of this package and most of OpenMMLab's. Bases that installed
packages bring (``mmdet::...``) are trusted as the packages are.
"""

from __future__ import annotations

import ast
import json
import operator
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from ...errors import OptionError
from .foreign_parts import PACKAGES, refuse_foreign_parts

SETTING = "GHOSTNET_MM_SAFE_CONFIG"
BASE = "_base_"
MOST_BYTES = 2**20
MOST_ITEMS = 100_000
DEEPEST = 20
PACKAGED = re.compile(rf"(?:{'|'.join(PACKAGES)})::[\w./-]+")
FROM_ENVIRONMENT = re.compile(r"\{\{\s*\$(\w+)\s*:\s*([^{}\s]*)\s*\}\}")
SUMS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def is_wanted() -> bool:
    """Say whether configs are to be read without running them.

    ``--safe-config`` sets the environment's ``GHOSTNET_MM_SAFE_CONFIG`` to 1, which the
    processes of a run inherit.
    """
    return os.environ.get(SETTING, "") not in ("", "0")


def read_without_running(path: Path) -> Config:
    """Read a config file and its bases as data.

    Args:
        path: The file, ``.py``, ``.json``, ``.yaml`` or ``.yml``.

    Returns:
        The config that mmengine would have made of it.

    Raises:
        OptionError: The file holds more than data, names parts of no registry, or is
            not there.
    """
    settings = _read(Path(os.path.abspath(path)), 0)
    refuse_foreign_parts(settings, f"Config {path}")
    imports = settings.get("custom_imports")
    if imports:
        import_modules_from_strings(**imports)
    return Config(settings, filename=str(path))


def _read(path: Path, depth: int) -> dict[str, Any]:
    if depth > DEEPEST:
        raise OptionError(f"Config {path} builds on itself; correct its _base_.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise OptionError(f"Config {path} has over a megabyte; it is no config.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(path, "it is not UTF-8 text") from error
    if path.suffix != ".py":
        own = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        if not isinstance(own, dict):
            raise _refused(path, "it is not a table of settings")
        return _merged(own, _bases(own.pop(BASE, []), path, depth))
    reader = _Reader(path)
    statements = ast.parse(text).body
    base: dict[str, Any] = {}
    for statement in statements:
        if _target(statement) == BASE:
            assert isinstance(statement, ast.Assign)
            base = _bases(reader.value(statement.value), path, depth)
    # Configs are written with _base_ anywhere, and mmengine reads it first.
    reader.names[BASE] = Config._dict_to_config_dict(base, None)
    for statement in statements:
        reader.take(statement)
    own = {key: value for key, value in reader.names.items() if key[:2] != "__"}
    own.pop(BASE)
    return _merged(own, base)


def _merged(own: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    return Config._merge_a_into_b(own, base)


def _bases(value: Any, path: Path, depth: int) -> dict[str, Any]:
    names = list(value) if isinstance(value, (list, tuple)) else [value]
    settings: dict[str, Any] = {}
    for name in names:
        if not isinstance(name, str):
            raise _refused(path, "its _base_ is not a name")
        if "::" in name:
            found = _packaged(name, path)
        else:
            found = _read(path.parent / name, depth + 1)
        twice = settings.keys() & found.keys()
        if twice:
            raise _refused(path, f"two of its bases have {min(twice)}")
        settings.update(found)
    return settings


def _packaged(name: str, path: Path) -> dict[str, Any]:
    """Read a base that an installed package brings, by mmengine."""
    if not PACKAGED.fullmatch(name) or ".." in name:
        raise _refused(path, f"its base {name!r} is of no package that is trusted")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "base.py")
        file.write_text(f"{BASE} = [{name!r}]\n", encoding="utf-8")
        return Config.fromfile(str(file), import_custom_modules=False).to_dict()


def _target(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        return target.id if isinstance(target, ast.Name) else None
    return None


def _refused(path: Path, reason: str) -> OptionError:
    return OptionError(
        f"Config {path} cannot be read without running it ({reason}); if you trust it, "
        f"leave out --safe-config."
    )


class _Reader:
    """The values of a Python file's assignments, worked out without running any."""

    def __init__(self, path: Path):
        self._path = path
        self.names: dict[str, Any] = {}

    def take(self, statement: ast.stmt) -> None:
        """Take the value of an assignment; texts that stand alone are passed over."""
        target = _target(statement)
        if target == BASE:
            return
        if target is not None:
            assert isinstance(statement, ast.Assign)
            self.names[target] = self.value(statement.value)
        elif not (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
        ):
            raise self._refused(statement, "is not a plain assignment")

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression.

        Raises:
            OptionError: It is more than data.
        """
        match node:
            case ast.Constant(str(text)):
                return FROM_ENVIRONMENT.sub(_from_environment, text)
            case ast.Constant(value):
                return value
            case ast.List(items):
                return [self.value(item) for item in items]
            case ast.Tuple(items):
                return tuple(self.value(item) for item in items)
            case ast.Dict(keys, values) if None not in keys:
                pairs = zip(keys, values, strict=True)
                return {self.value(key): self.value(item) for key, item in pairs if key}
            case ast.Name(name) if name in self.names:
                return self.names[name]
            case ast.Attribute(inner, name) if _root(inner) == BASE:
                return self._of_base(node, self.value(inner), name)
            case ast.UnaryOp(ast.USub(), inner):
                return -self._number(inner)
            case ast.BinOp(left, sign, right) if type(sign) in SUMS:
                return self._sum(node, self.value(left), self.value(right))
            case ast.ListComp(item, [ast.comprehension(ast.Name(name), many, [], 0)]):
                return self._each(item, name, self.value(many))
            case ast.Call():
                return self._call(node)
        raise self._refused(node, "holds more than data")

    def _of_base(self, node: ast.expr, settings: Any, name: str) -> Any:
        if not isinstance(settings, Mapping) or name not in settings:
            raise self._refused(node, f"asks its base for {name}, which that lacks")
        return settings[name]

    def _number(self, node: ast.expr) -> Any:
        value = self.value(node)
        if not isinstance(value, (int, float)):
            raise self._refused(node, "takes the negative of no number")
        return value

    def _sum(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        # Lists are joined, not multiplied, and numbers stay of a size that prints.
        joins = isinstance(node.op, ast.Add) and type(left) is type(right)
        if not numbers and not (joins and isinstance(left, (list, str, tuple))):
            raise self._refused(node, "adds what does not add up")
        sizes = [abs(v) if numbers else len(v) for v in (left, right)]
        if max(sizes) > (1e30 if numbers else MOST_ITEMS):
            raise self._refused(node, "holds too much")
        try:
            return SUMS[type(node.op)](left, right)
        except ArithmeticError as error:
            raise self._refused(node, "divides by nothing") from error

    def _each(self, item: ast.expr, name: str, many: Any) -> list[Any]:
        before = dict(self.names)
        values = []
        for value in many:
            self.names[name] = value
            values.append(self.value(item))
        self.names = before
        return values

    def _call(self, node: ast.Call) -> Any:
        arguments = [self.value(argument) for argument in node.args]
        named = {word.arg: self.value(word.value) for word in node.keywords}
        match node.func, arguments, named:
            case ast.Name("dict"), ([] | [dict()]), _ if None not in named:
                return {**(arguments[0] if arguments else {}), **named}
            case ast.Name("list" | "tuple" as kind), [str() | list() | tuple()], {}:
                return list(arguments[0]) if kind == "list" else tuple(arguments[0])
            case ast.Name("range"), [int(), *_], {} if len(arguments) <= 3:
                if all(isinstance(a, int) for a in arguments):
                    return self._range(node, arguments)
            case ast.Attribute(inner, "rstrip" | "lstrip" | "strip" as name), _, {}:
                text = self.value(inner)
                if isinstance(text, str) and all(isinstance(a, str) for a in arguments):
                    return getattr(text, name)(*arguments[:1])
        raise self._refused(node, "calls a function")

    def _range(self, node: ast.Call, arguments: list[int]) -> range:
        try:
            found = range(*arguments)
        except ValueError as error:
            raise self._refused(node, "counts in steps of 0") from error
        if len(found) > MOST_ITEMS:
            raise self._refused(node, "holds too much")
        return found

    def _refused(self, node: ast.expr | ast.stmt, what: str) -> OptionError:
        return _refused(self._path, f"line {node.lineno} {what}")


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _from_environment(found: re.Match[str]) -> str:
    return os.environ.get(found[1], found[2])
