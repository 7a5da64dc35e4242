"""Repairs that let the released OpenMMLab packages run on today's PyTorch.

``import ghostnet_mm`` applies them. Each one changes something only where it is needed:
with compiled mmcv operators and panopticapi installed, on a machine with a GPU, the
OpenMMLab code runs as it is.
"""

from .cpu_distributed import repair_cpu_distribution
from .mmcv_ops import UnsupportedOpError, provide_mmcv_ops
from .panoptic_api import provide_panoptic_api

__all__ = ["UnsupportedOpError", "repair_openmmlab"]


def repair_openmmlab() -> None:
    """Provide mmcv's operators, panopticapi and CPU distribution where they lack.

    Call it before ``mmdet.models``, ``mmdet.evaluation`` or ``mmcv.ops`` is imported.
    Calling it again changes nothing.
    """
    provide_mmcv_ops()
    provide_panoptic_api()
    repair_cpu_distribution()
