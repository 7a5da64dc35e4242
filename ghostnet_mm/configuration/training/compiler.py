"""Whether ``torch.compile`` finds what it needs, found out before training starts."""

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path

import torch

from ...errors import OptionError


def check_compiler() -> None:
    """Make sure that this machine can compile.

    Raises:
        OptionError: The C++ compiler, Python's headers or Triton is missing.
    """
    if torch.cuda.is_available() and importlib.util.find_spec("triton") is None:
        raise OptionError(
            "--compile needs the package triton on a GPU: run pip install triton, or "
            "leave --compile out."
        )
    default = {"win32": "cl", "darwin": "clang++"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX", default)
    if shutil.which(compiler) is None:
        raise OptionError(
            f"--compile needs a C++ compiler, and {compiler} is not there; install it, "
            f"name another in the environment variable CXX, or leave --compile out."
        )
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        raise OptionError(
            "--compile needs Python's header files; install them (python3-dev on "
            "Debian), or leave --compile out."
        )
