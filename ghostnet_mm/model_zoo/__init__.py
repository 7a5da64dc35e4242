"""The table of configs, made from ``configs/metafile.yml``."""

from .metafile import Metafile, read_metafile, write_metafile
from .tables import documents, is_stale, refresh

__all__ = [
    "Metafile",
    "documents",
    "is_stale",
    "read_metafile",
    "refresh",
    "write_metafile",
]
