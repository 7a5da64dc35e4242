"""Rules of the house that no linter knows."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("ghostnet_mm", "runtime/ghostnet_runtime", "tools", "tests")
FILES = sorted(ROOT.glob("*.py"))
FILES += [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
MODULES = [path for path in FILES if not path.name.startswith("test_")]
LONGEST = 350
# They say where a thing was put, not what it is.
VAGUE_NAMES = {"common", "core", "helper", "helpers", "misc", "util", "utils"}
# Each may import late: `--help` answers before PyTorch is loaded.
DOORS = (
    "ghostnet_mm/cli/",
    "runtime/ghostnet_runtime/command_line.py",
    "runtime/ghostnet_runtime/__init__.py",
)
OUR_PACKAGES = {"ghostnet_mm", "ghostnet_runtime"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def told(found: set[str]) -> str:
    return "\n" + "\n".join(sorted(found))


def loop_variables(tree: ast.AST) -> Iterator[ast.Name | ast.arg]:
    """Yield what loops, comprehensions and lambdas name."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            yield from (n for n in ast.walk(node.target) if isinstance(n, ast.Name))
        elif isinstance(node, ast.Lambda):
            yield from node.args.args


def nameless_loops(source: str) -> list[int]:
    """Return the lines of loops whose variable says nothing but that it is one."""
    return sorted(
        variable.lineno
        for variable in loop_variables(ast.parse(source))
        if (variable.id if isinstance(variable, ast.Name) else variable.arg) == "one"
    )


def late_imports(source: str) -> list[int]:
    """Return the lines in functions where our own packages are imported."""
    lines = set()
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom):
                name = (node.module or "").partition(".")[0]
                ours = node.level > 0 or name in OUR_PACKAGES
            elif isinstance(node, ast.Import):
                ours = any(a.name.partition(".")[0] in OUR_PACKAGES for a in node.names)
            else:
                continue
            if ours:
                lines.add(node.lineno)
    return sorted(lines)


def is_vague(name: str) -> bool:
    return name in VAGUE_NAMES or name.startswith("other_") or name.endswith("_utils")


def test_the_rules_notice_what_they_forbid():
    assert nameless_loops("[one for one in x]\nfor a, one in y: pass") == [1, 2]
    assert nameless_loops("max(x, key=lambda one: one.y)\none = 1") == [1]
    assert nameless_loops("for part in one: pass") == []
    late = "import ghostnet_mm\ndef f():\n  import onnx\n  from . import a\n"
    assert late_imports(late) == [4]
    method = "class A:\n  def f(self):\n    import ghostnet_runtime.b"
    assert late_imports(method) == [3]
    assert late_imports("def f():\n  from ghostnet_mm.errors import DataError") == [2]
    assert is_vague("utils")
    assert is_vague("other_heads")
    assert not is_vague("mothers")


def test_loop_variables_say_what_they_are():
    found = {
        f"{relative(path)}:{line}"
        for path in FILES
        for line in nameless_loops(path.read_text(encoding="utf-8"))
    }
    assert not found, told(found)


def test_modules_are_short():
    lengths = {relative(p): len(p.read_bytes().splitlines()) for p in MODULES}
    found = {f"{path}: {n} lines" for path, n in lengths.items() if n > LONGEST}
    assert not found, told(found)


def test_modules_and_rooms_are_named_for_what_they_hold():
    names = {Path(relative(path)) for path in FILES}
    names |= {parent for path in names for parent in path.parents}
    found = {p.as_posix() for p in names if is_vague(p.stem.removeprefix("test_"))}
    assert not found, told(found)


def test_our_own_packages_are_imported_at_the_top():
    found = {
        f"{relative(path)}:{line}"
        for path in FILES
        if not relative(path).startswith(("tests/", "tools/", *DOORS))
        for line in late_imports(path.read_text(encoding="utf-8"))
    }
    assert not found, told(found)


def test_git_takes_every_source_file():
    """Catches an ignore pattern that hides a room, which then lacks in every clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout")
    names = "\0".join(relative(path) for path in FILES)
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=ROOT,
        input=names,
        capture_output=True,
        text=True,
    )
    assert ignored.returncode == 1, ignored.stdout.split("\0")
