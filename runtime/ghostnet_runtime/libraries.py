"""Importing the libraries that only one format needs."""

import importlib
from types import ModuleType

from .errors import OptionError


def import_library(name: str, package: str) -> ModuleType:
    """Import a module of a library that may be missing.

    Args:
        name: The module.
        package: What pip installs it by.

    Raises:
        OptionError: It is not installed, or its installation is damaged.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OptionError(
            f"{name.partition('.')[0]} cannot be imported ({error}): run "
            f"`pip install {package}`."
        ) from error
