"""Image classification with mmpretrain, which must be installed to import this."""

from .ghost_head import GhostClsHead

__all__ = ["GhostClsHead"]
