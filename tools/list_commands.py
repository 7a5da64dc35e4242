"""Write docs/commands.md: every command, its tool, and the flags of both."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """\
Write docs/commands.md: every command of the program ghostnet, the tool that is the
same, and the flags that both take."""
EXAMPLES = """\
examples:
  python tools/list_commands.py
  python tools/list_commands.py --check"""
PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"
HEAD = """\
# Commands

`ghostnet COMMAND` and `python tools/TOOL.py` are the same program with the same flags:
a test holds them against each other, and against this page.
`ghostnet COMMAND --help` says what each flag is for.
(`python tools/list_commands.py` writes this page.)
"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check", action="store_true", help="only say whether the page is up to date"
    )
    return parser.parse_args(argv)


def page() -> str:
    """Return the page; tests/test_cli holds the flags of both against each other."""
    from ghostnet_mm.cli.commands import COMMANDS
    from ghostnet_mm.reporting.tables import Table

    rows = []
    for command in COMMANDS:
        flags = _flags(command.parser(f"ghostnet {command.name}"))
        cell = f"`tools/{command.tool}.py`" if command.tool else None
        rows.append((f"`{command.name}`", cell, ", ".join(f"`{f}`" for f in flags)))
    table = Table.of(("command", "tool", "arguments and flags"), rows, 3)
    return f"{HEAD}\n{table.markdown()}\n"


def _flags(parser: argparse.ArgumentParser) -> list[str]:
    return [
        action.option_strings[-1] if action.option_strings else _word(action)
        for action in parser._actions
        if action.dest != "help"
    ]


def _word(action: argparse.Action) -> str:
    metavar = action.metavar
    return metavar if isinstance(metavar, str) else action.dest.upper()


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the page and return the exit status."""
    arguments = parse_arguments(argv)
    from door import exit_unless_installed

    exit_unless_installed()
    text = page()
    if not arguments.check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        print("error: docs/commands.md is out of date; run this without --check.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
