"""What the tools do to a config before it runs."""

from .merging import apply_options, load_config
from .options import Options

__all__ = ["Options", "apply_options", "load_config"]
