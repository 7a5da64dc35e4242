"""From ``ghostnet NAME ...`` to what the command calls."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

from ..version import __version__
from .commands import COMMANDS, Command, command_of_tool

STATUS_USER_ERROR = 2
# As `configuration.files.safe_reading` reads it, which needs the stack.
SAFE_CONFIG = "GHOSTNET_MM_SAFE_CONFIG"
STATUS_INTERRUPTED = 130
USAGE = """\
usage: ghostnet COMMAND ...        ghostnet COMMAND --help has examples

GhostNet detectors, from training to mobile CPUs.
"""
FIRST_STEPS = """
first steps:
  ghostnet make-digits data/digits
  ghostnet train retinanet_ghostnet_digits --data-root data/digits
  ghostnet detect data/digits/val2017 \\
      --checkpoint work_dirs/retinanet_ghostnet_digits/epoch_5.pth"""


def main(argv: Sequence[str] | None, run_stack: Callable[[], None]) -> int:
    """Run the program and return its exit status.

    Args:
        argv: The words after ``ghostnet``; None takes those of the process.
        run_stack: Imports the rest of the package, torch and mmdet.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"ghostnet {__version__}")
        return 0
    command = {command.name: command for command in COMMANDS}.get(words[0])
    if command is None:
        print(f"error: {_unknown(words[0])}", file=sys.stderr)
        return STATUS_USER_ERROR
    return _run(command, f"ghostnet {command.name}", words[1:], run_stack)


def tool_main(
    tool: str, argv: Sequence[str] | None, run_stack: Callable[[], None]
) -> int:
    """Run ``tools/<tool>.py`` and return its exit status; see `main`."""
    words = list(sys.argv[1:] if argv is None else argv)
    return _run(command_of_tool(tool), f"python tools/{tool}.py", words, run_stack)


def overview() -> str:
    """Return what ``ghostnet`` alone shows: the commands by what one wants to do."""
    return "\n".join([USAGE, *_commands_by_wish(), FIRST_STEPS])


def _commands_by_wish() -> Iterator[str]:
    width = max(len(command.name) for command in COMMANDS)
    for wish, commands in groupby(COMMANDS, key=lambda command: command.wish):
        yield f"{wish}:"
        for command in commands:
            yield f"  {command.name:{width}}  {command.summary}"


def _run(
    command: Command, prog: str, words: list[str], run_stack: Callable[[], None]
) -> int:
    parser = command.parser(prog)
    arguments = parser.parse_args(words)
    module = command.module
    if hasattr(module, "check_arguments"):
        module.check_arguments(parser, arguments)
    with _configs_as_data(getattr(arguments, "safe_config", False)):
        needs_stack = getattr(module, "needs_stack", None)
        return _do(module.run, arguments, needs_stack, run_stack)


@contextmanager
def _configs_as_data(wanted: bool) -> Iterator[None]:
    """Have configs read as data here and in the processes of this run, if wanted."""
    before = os.environ.get(SAFE_CONFIG)
    if wanted:
        os.environ[SAFE_CONFIG] = "1"
    try:
        yield
    finally:
        if wanted and before is None:
            del os.environ[SAFE_CONFIG]
        elif wanted and before is not None:
            os.environ[SAFE_CONFIG] = before


def _do(
    work: Callable[[argparse.Namespace], object],
    arguments: argparse.Namespace,
    needs_stack: Callable[[argparse.Namespace], bool] | None,
    run_stack: Callable[[], None],
) -> int:
    if needs_stack is not None and not needs_stack(arguments):
        return _do_without_stack(work, arguments)
    run_stack()
    # Torch comes with it.
    command_line = importlib.import_module("..configuration.command_line", __package__)
    return command_line.run_tool(work, arguments)


def _do_without_stack(
    work: Callable[[argparse.Namespace], object], arguments: argparse.Namespace
) -> int:
    try:
        work(arguments)
    except BrokenPipeError:
        # Whoever read has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return STATUS_INTERRUPTED
    except Exception as error:
        # The runtime comes with it: not for a command line that only asks for help.
        errors = importlib.import_module("..errors", __package__)
        mistake = errors.mistake_in(error)
        if mistake is None:
            raise
        print(f"error: {errors.sentence_of(mistake)}", file=sys.stderr)
        return STATUS_USER_ERROR
    return 0


def _unknown(name: str) -> str:
    names = [command.name for command in COMMANDS]
    # Those who know the tools type their names.
    tools = {command.tool: command.name for command in COMMANDS if command.tool}
    as_tool = name.removeprefix("tools/").removesuffix(".py").replace("-", "_")
    close = [tools[as_tool]] if as_tool in tools else []
    close = close or difflib.get_close_matches(name, names, n=1)
    advice = f"did you mean {close[0]}?" if close else "ghostnet alone lists them all."
    return f"ghostnet has no command {name!r}; {advice}"
