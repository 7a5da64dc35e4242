"""What users get wrong, and what the tools answer.

``python tests/support/bad_inputs.py`` prints the table for docs/user_errors.md.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.mistakes.cases import BadInput
from support.mistakes.checkpoints import CHECKPOINTS
from support.mistakes.data import DATA
from support.mistakes.models import MODELS
from support.mistakes.pictures import PICTURES
from support.mistakes.runs import RUNS
from support.running_tools import run_here

BAD_INPUTS = (*DATA, *MODELS, *CHECKPOINTS, *PICTURES, *RUNS)


def message_for(case: BadInput, folder: Path) -> tuple[int, str]:
    """Run the tool in ``folder`` and return its exit status and what it complains."""
    with contextlib.redirect_stdout(io.StringIO()):
        arguments = case.prepare(folder)
    done = run_here(case.tool, *arguments, cwd=folder)
    return done.returncode, done.stderr


def print_table() -> None:
    """Print the table of mistakes and messages in Markdown."""
    print("| tool | what is wrong | message |\n|---|---|---|")
    home = Path.cwd()
    for case in BAD_INPUTS:
        folder = Path(tempfile.mkdtemp()).resolve()
        try:
            _, message = message_for(case, folder)
        finally:
            shutil.rmtree(folder)
        message = message.strip().removeprefix("error: ")
        message = message.replace(f"{folder}/", "").replace(f"{home}/", "")
        message = message.replace("|", "\\|")
        print(f"| {case.tool}.py | {case.mistake} | {message} |")


if __name__ == "__main__":
    print_table()
