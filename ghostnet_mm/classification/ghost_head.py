"""The classifier that the Ghost family was published with."""

from collections.abc import Sequence
from typing import Any

from mmpretrain.models.heads import ClsHead
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ..backbones.argument_checks import checked_widen_factor
from ..errors import OptionError
from ..layers.channel_rounding import round_channels
from ..layers.conv_norm_act import LayerStyle

# At width 1.0; the 160 channels of the trunk are expanded to these.
EXPANDED_CHANNELS = 960


@MODELS.register_module()
class GhostClsHead(ClsHead):
    """1x1 convolution, global pooling, hidden layer, dropout and classifier.

    The backbones end before these layers, which detectors do not use. Together with
    them the published accuracies can be reproduced and classifiers trained; see
    ``checkpoints.classifier_layout`` for the names. Source: GhostNet (CVPR 2020),
    Table 1.

    Args:
        num_classes: Number of classes.
        in_channels: Channels of the backbone's deepest map: 160 at width 1.0.
        widen_factor: The backbone's, for the first convolution: 960 channels at 1.0.
        hidden_channels: Channels after pooling; 1280 at every published width.
        dropout: Probability of dropping a hidden channel while training.
        norm_cfg: Norm type.
        act_cfg: Activation type.
        loss: mmpretrain's loss.
        topk: For which k to log the accuracy of training batches.
        cal_acc: Whether to log it.
        init_cfg: mmengine's initialization; ``None`` leaves PyTorch's, as the authors'
            code does.

    Raises:
        OptionError: For an impossible number of classes or width.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 160,
        widen_factor: float = 1.0,
        hidden_channels: int = 1280,
        dropout: float = 0.2,
        norm_cfg: dict[str, Any] | None = None,
        act_cfg: dict[str, Any] | None = None,
        loss: dict[str, Any] | None = None,
        topk: int | Sequence[int] = (1,),
        cal_acc: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ):
        super().__init__(
            loss=loss or dict(type="CrossEntropyLoss", loss_weight=1.0),
            topk=topk if isinstance(topk, int) else tuple(topk),
            cal_acc=cal_acc,
            init_cfg=init_cfg,
        )
        if not isinstance(num_classes, int) or num_classes < 1:
            raise OptionError(
                f"num_classes={num_classes!r} is not possible: give the number of "
                "classes, such as 1000."
            )
        self.num_classes = num_classes
        self.in_channels = in_channels
        expand_channels = round_channels(
            EXPANDED_CHANNELS * checked_widen_factor(widen_factor)
        )
        style = LayerStyle(
            norm_cfg=norm_cfg or dict(type="BN"), act_cfg=act_cfg or dict(type="ReLU")
        )
        self.conv = style.conv(in_channels, expand_channels, 1)
        self.bn1 = style.norm(expand_channels)
        self.act1 = style.act()
        self.conv_head = style.conv(expand_channels, hidden_channels, 1, bias=True)
        self.act2 = style.act()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_channels, num_classes)

    def pre_logits(self, feats: Sequence[Tensor]) -> Tensor:
        """Return the (N, hidden_channels) features before dropout and classifier.

        Args:
            feats: The backbone's maps; the last, (N, in_channels, H, W), is used.
        """
        x = self.act1(self.bn1(self.conv(feats[-1])))
        x = self.act2(self.conv_head(F.adaptive_avg_pool2d(x, 1)))
        return x.flatten(1)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Return the (N, num_classes) logits of the backbone's maps."""
        return self.classifier(self.dropout(self.pre_logits(feats)))
