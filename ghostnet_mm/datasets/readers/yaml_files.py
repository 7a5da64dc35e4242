"""Reading a small YAML file from anyone."""

from __future__ import annotations

import yaml

from .json_files import read_bytes
from .listing import Listing

MOST_BYTES = 2**22


def parse_yaml(listing: Listing, name: str) -> dict[str, object]:
    """Return the settings in a YAML file; empty if it has none.

    Args:
        listing: The files of the root.
        name: The file, relative to it.

    Raises:
        DataError: It cannot be read.
    """
    if listing.files[name][0] > MOST_BYTES:
        return {}
    try:
        content = yaml.safe_load(read_bytes(listing.path(name)))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(key, str)}
