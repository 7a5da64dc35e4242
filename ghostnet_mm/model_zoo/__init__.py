"""The table of configs, made from ``configs/metafile.yml``."""

from .metafile import Metafile, read_metafile, write_metafile
from .tables import refresh, stale_documents

__all__ = [
    "Metafile",
    "read_metafile",
    "refresh",
    "stale_documents",
    "write_metafile",
]
