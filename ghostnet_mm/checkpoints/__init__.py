"""Checkpoints: safe loading, weight sources, and strict loading of backbones."""

from ghostnet_mm.checkpoints.backbone_loading import (
    check_backbone_weights,
    load_backbone_weights,
)
from ghostnet_mm.checkpoints.key_layouts import extract_state_dict
from ghostnet_mm.checkpoints.mmengine_loading import install_safe_loading
from ghostnet_mm.checkpoints.safe_loading import load_checkpoint_file
from ghostnet_mm.checkpoints.sources import read_weights
from ghostnet_mm.checkpoints.whole_files import install_whole_saving

__all__ = [
    "check_backbone_weights",
    "extract_state_dict",
    "install_safe_loading",
    "install_whole_saving",
    "load_backbone_weights",
    "load_checkpoint_file",
    "read_weights",
]
