"""Importing the libraries of one format, each an extra of its own."""

import importlib
from types import ModuleType

from ..errors import OptionError


def import_library(name: str, extra: str) -> ModuleType:
    """Import a module of a library that only one format needs.

    Args:
        name: The module.
        extra: The extra of ``ghostnet_mm`` that brings it.

    Raises:
        OptionError: It is not installed, or its installation is damaged.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OptionError(
            f"{name.partition('.')[0]} cannot be imported ({error}): run "
            f'`pip install "ghostnet_mm[{extra}]"`.'
        ) from error
