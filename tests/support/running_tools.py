"""Run a tool in this process or in one of its own."""

import contextlib
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

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
    """Run a tool in this process: starting another one takes seconds.

    mmengine keeps its loggers and visualizers for the life of a process, each with the
    files of the run that made it; they are forgotten before and after.
    """
    home, out, err = Path.cwd(), io.StringIO(), io.StringIO()
    _forget_runs()
    try:
        os.chdir(cwd)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = load_tool(name).main([str(one) for one in arguments])
    finally:
        os.chdir(home)
        _forget_runs()
    return subprocess.CompletedProcess([name], status, out.getvalue(), err.getvalue())


def _forget_runs() -> None:
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.registry import DefaultScope
    from mmengine.utils import ManagerMixin
    from mmengine.visualization import Visualizer

    def subclasses(kind: type) -> list[type]:
        below = kind.__subclasses__()
        return below + [one for child in below for one in subclasses(child)]

    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            handler.close()
    kinds = {MMLogger, MessageHub, DefaultScope, Visualizer, *subclasses(ManagerMixin)}
    for kind in kinds:
        kind._instance_dict.clear()


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
