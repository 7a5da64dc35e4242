"""The program ``ghostnet``: its command line is read before torch is imported.

``import ghostnet_mm`` repairs the OpenMMLab packages and imports torch, which takes
seconds, and Python runs that before any module inside the package. A program that is to
answer ``--help`` at once cannot begin there. This module stands beside the package: it
puts the package into ``sys.modules`` without running it, lets ``ghostnet_mm.cli``,
which imports the standard library alone, read the command line, and then runs the
package.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

PACKAGE = "ghostnet_mm"
# mmengine needs pkg_resources, which newer setuptools have no more.
NEEDED = ("torch", "torchvision", "pkg_resources", "mmengine", "mmcv", "mmdet")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    with _postponed(PACKAGE) as run_package:
        program = importlib.import_module(f"{PACKAGE}.cli.program")
        with _missing_packages_told():
            return program.main(argv, lambda: _run_stack(run_package))


def tool_main(tool: str) -> Callable[..., int]:
    """Return the ``main`` of ``tools/<tool>.py``: a command under its older name."""

    def main(argv: Sequence[str] | None = None) -> int:
        """Run the tool and return its exit status."""
        with _postponed(PACKAGE) as run_package:
            program = importlib.import_module(f"{PACKAGE}.cli.program")
            with _missing_packages_told():
                return program.tool_main(tool, argv, lambda: _run_stack(run_package))

    return main


def exit_unless_installed() -> None:
    """End with one sentence and status 2 instead of an import's traceback."""
    for package in (*NEEDED, "ghostnet_runtime", PACKAGE):
        if importlib.util.find_spec(package) is None:
            print(
                f"error: {package} is not installed; activate the environment "
                "(. .venv/bin/activate), or in the project's folder run "
                "pip install -r requirements.txt and then "
                "pip install -e ./runtime -e .; or install the wheels with the extra "
                "[mm].",
                file=sys.stderr,
            )
            sys.exit(2)


@contextmanager
def _missing_packages_told() -> Iterator[None]:
    """Say what to install where a command without torch misses another package."""
    try:
        yield
    except ModuleNotFoundError:
        exit_unless_installed()
        raise


def _run_stack(run_package: Callable[[], None]) -> None:
    exit_unless_installed()
    try:
        run_package()
    except ImportError as error:
        if error.name is not None:
            raise
        # One of the package's own sentences: what is missing, and what to do.
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def _postponed(name: str) -> Iterator[Callable[[], None]]:
    """Make the modules of a package importable before the package itself has run.

    Gives the function that runs it. A package that ran already is left alone; one that
    was never run is forgotten at the end, so that a later import runs it.
    """
    if name in sys.modules:
        yield lambda: None
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    loader, package = spec.loader, importlib.util.module_from_spec(spec)
    ran = False

    def run() -> None:
        nonlocal ran
        if not ran:
            loader.exec_module(package)
            ran = True

    sys.modules[name] = package
    try:
        yield run
    finally:
        if not ran:
            for module in [
                loaded for loaded in sys.modules if f"{loaded}.".startswith(f"{name}.")
            ]:
                del sys.modules[module]


if __name__ == "__main__":
    sys.exit(main())
