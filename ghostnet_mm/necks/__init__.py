"""Light necks; importing this registers them."""

from .ghost_pan import GhostPAN
from .light_fpn import LightFPN

__all__ = ["GhostPAN", "LightFPN"]
