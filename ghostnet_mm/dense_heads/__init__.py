"""Light dense heads; importing this registers them."""

from .mobile_gfl_head import MobileGFLHead

__all__ = ["MobileGFLHead"]
