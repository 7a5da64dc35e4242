"""Importing the libraries of one format, each an extra of its own."""

from types import ModuleType

from ghostnet_runtime import libraries


def import_library(name: str, extra: str) -> ModuleType:
    """Import a module of a library that only one format needs.

    Args:
        name: The module.
        extra: The extra of ``ghostnet_mm`` that brings it.

    Raises:
        OptionError: It is not installed, or its installation is damaged.
    """
    return libraries.import_library(name, f'"ghostnet_mm[{extra}]"')
