"""Light dense heads; importing this registers them."""

from .mobile_gfl_head import MobileGFLHead
from .mobile_rtmdet_head import MobileRTMDetHead

__all__ = ["MobileGFLHead", "MobileRTMDetHead"]
