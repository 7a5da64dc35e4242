"""``ghostnet completion``: what makes your shell complete commands and options."""

import argparse

DESCRIPTION = """\
Print the script by which your shell completes ghostnet's commands, options, configs and
files."""
EXAMPLES = """\
examples:
  eval "$(ghostnet completion bash)"                  # this terminal
  ghostnet completion bash >> ~/.bash_completion      # all to come
  ghostnet completion zsh > ~/.zfunc/_ghostnet"""
SHELLS = ("bash", "zsh", "tcsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("shell", choices=SHELLS, help="your shell")


def needs_stack(arguments: argparse.Namespace) -> bool:
    """Whether torch and mmdet are needed: never."""
    return False


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.cli.shell_completion import completion_script

    print(completion_script(arguments.shell))
