"""The completion of all commands for a shell, by shtab."""

from __future__ import annotations

import argparse

import shtab

from ..shipped_configs import shipped_names
from .commands import COMMANDS

# What a word of these names, in the help of a command, stands for.
FOLDERS = ("DIR", "DATA", "out_dir", "digits_dir")
FILES = ("FILE", "CHECKPOINT", "INPUT", "PATH", "CANDIDATE", "CARD", "SOURCE")
CONFIGS = "CONFIG"
NAMES_FUNCTION = "_ghostnet_configs"


def completion_script(shell: str) -> str:
    """Return the script that makes ``shell`` complete the program.

    Args:
        shell: One that shtab knows, such as ``bash``.
    """
    parser = argparse.ArgumentParser(prog="ghostnet")
    commands = parser.add_subparsers(dest="command")
    for command in COMMANDS:
        its_parser = commands.add_parser(command.name, help=command.summary)
        command.module.add_arguments(its_parser)
        for action in its_parser._actions:  # argparse has no public way to them
            _say_what_completes(action)
    preamble = _bash_names() if shell == "bash" else ""
    return shtab.complete(parser, shell=shell, preamble=preamble)


def _say_what_completes(action: argparse.Action) -> None:
    names = action.metavar if isinstance(action.metavar, tuple) else (action.metavar,)
    word = names[0] or action.dest
    if action.choices is not None or word is None:
        return
    # shtab reads an attribute that argparse does not have.
    if word in FOLDERS:
        vars(action)["complete"] = shtab.DIRECTORY
    elif word in FILES:
        vars(action)["complete"] = shtab.FILE
    elif word == CONFIGS:
        vars(action)["complete"] = dict(shtab.FILE, bash=NAMES_FUNCTION)


def _bash_names() -> str:
    """Write a function of bash that completes names of configs, and files."""
    names = " ".join(shipped_names())
    return (
        f"{NAMES_FUNCTION}() {{\n"
        f"  compgen -W '{names}' -- \"$1\"\n"
        f'  compgen -f -- "$1"\n'
        f"}}"
    )
