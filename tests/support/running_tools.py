"""Run a tool in this process or in one of its own."""

import contextlib
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from ghostnet_mm.engine.own_instances import own_instances

ROOT = Path(__file__).resolve().parents[2]
# Tools import each other; at the end of the path they hide no other module.
sys.path.append(str(ROOT / "tools"))
TINY = str(Path(__file__).with_name("tiny_detector.py"))


def load_tool(name: str) -> ModuleType:
    # By path: ``import test`` would find the standard library's.
    spec = importlib.util.spec_from_file_location(
        f"tool_{name}", ROOT / "tools" / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_here(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    """Run a tool in this process: starting another one takes seconds."""
    home, out, err = Path.cwd(), io.StringIO(), io.StringIO()
    try:
        os.chdir(cwd)
        # A logger keeps the stdout of its first day.
        with (
            own_instances(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = load_tool(name).main([str(argument) for argument in arguments])
    finally:
        os.chdir(home)
    return subprocess.CompletedProcess([name], status, out.getvalue(), err.getvalue())


def run(
    name: str, *arguments: object, cwd: Path, **environment: str
) -> subprocess.CompletedProcess:
    """Run a tool as a user does; one thread, so that tests side by side stay quick."""
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / f"{name}.py"), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
