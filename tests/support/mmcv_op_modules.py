"""The modules of mmcv.ops behind which operators can be exchanged."""

import importlib
from types import SimpleNamespace

from ghostnet_mm.openmmlab_compat.mmcv_ops import PROVIDED_OPS

# Importing ghostnet_mm, above, has made mmcv.ops importable.
OP_MODULES = [
    importlib.import_module(f"mmcv.ops.{name}")
    for name in (
        "nms",
        "roi_align",
        "roi_pool",
        "focal_loss",
        "deform_conv",
        "modulated_deform_conv",
    )
]


def use_provided_ops(monkeypatch):
    """Let mmcv.ops call the provided operators, with compiled ones installed too."""
    for module in OP_MODULES:
        monkeypatch.setattr(module, "ext_module", SimpleNamespace(**PROVIDED_OPS))
