"""The RepGhost bottleneck: GhostNet's with RepGhost modules."""

from functools import partial

from .conv_norm_act import LayerStyle
from .ghost_bottleneck import Bottleneck, BottleneckShape
from .rep_ghost_module import RepGhostModule


class RepGhostBottleneck(Bottleneck):
    """The bottleneck of RepGhostNet (arXiv 2211.06088).

    Args:
        shape: Its numbers; ``ratio`` and ``attention`` have no meaning here.
        style: How layers are built.
        deploy: Whether to build the fused form.
    """

    def __init__(self, shape: BottleneckShape, style: LayerStyle, deploy: bool = False):
        ghost = partial(
            RepGhostModule,
            style=style,
            cheap_kernel_size=shape.cheap_kernel_size,
            deploy=deploy,
        )
        super().__init__(shape, style, ghost, ghost)
