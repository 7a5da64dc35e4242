"""Semantic segmentation with mmseg, which must be installed to import this."""

import warnings

from .lraspp_head import PooledLRASPPHead

__all__ = ["PooledLRASPPHead"]

# mmseg's own code calls what it calls deprecated, and warns of its own defaults.
for _message in (
    "``build_loss`` would be",
    "Default ``avg_non_ignore``",
    "The draw is",
):
    warnings.filterwarnings("ignore", message=_message)
