"""The RepGhost module: branches that are added instead of concatenated, then fused."""

from torch import Tensor, nn

from .conv_norm_act import LayerStyle
from .reparam_conv import ConvNorm, fuse_branches, sum_of_branches


class RepGhostModule(nn.Module):
    """A 1x1 convolution, then cheap filters and a bare norm whose outputs are added.

    Source: RepGhost (arXiv 2211.06088). The activation follows the sum, so that both
    branches fuse into one depthwise convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        style: How layers are built.
        activate: Whether the 1x1 convolution and the sum end in the activation; the
            second module of a bottleneck is linear.
        cheap_kernel_size: Kernel of the depthwise filters, odd.
        dilation: Dilation of the depthwise filters.
        deploy: Whether to build the fused form.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        style: LayerStyle,
        activate: bool = True,
        cheap_kernel_size: int = 3,
        dilation: int = 1,
        deploy: bool = False,
    ):
        super().__init__()
        self.deploy = deploy
        self.primary_conv = nn.Sequential(
            style.conv(in_channels, out_channels, 1),
            style.norm(out_channels),
            style.act() if activate else nn.Identity(),
        )
        cheap = style.depthwise(
            out_channels, cheap_kernel_size, dilation=dilation, bias=deploy
        )
        if deploy:
            self.cheap_operation = cheap
        else:
            self.cheap_operation = nn.Sequential(cheap, style.norm(out_channels))
            self.fusion_bn = nn.Sequential(style.norm(out_channels))
        self.activation = style.act() if activate else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        primary = self.primary_conv(x)
        if self.deploy:
            out: Tensor = self.cheap_operation(primary)
        else:
            branches = [self.cheap_operation, self.fusion_bn]
            out = sum_of_branches(branches, primary)
        out = self.activation(out)
        return out

    def switch_to_deploy(self) -> None:
        """Fuse the branches in place; a second call changes nothing.

        The norm of the 1x1 convolution stays, as in the published fused weights.

        Raises:
            OptionError: When the norms have no running statistics to fuse.
        """
        if self.deploy:
            return
        assert isinstance(self.cheap_operation, nn.Sequential)  # before it is fused
        cheap = ConvNorm(*self.cheap_operation)
        self.cheap_operation = fuse_branches([cheap, *self.fusion_bn])
        del self.fusion_bn
        self.deploy = True
