# The baseline that the Ghost backbones of this package have to beat: the quickstart's
# RetinaNet with timm's GhostNet 0.5x through `features_only`, as users take it today.
# timm taps the first block of each stride: 40 instead of 56 channels at stride 16, and
# none of the blocks behind it. Needs the extra `mmpretrain`.
_base_ = "./retinanet_ghostnet_digits.py"
custom_imports = dict(imports=["ghostnet_mm", "mmpretrain"], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type="mmpretrain.TIMMBackbone",
        model_name="ghostnet_050",
        features_only=True,
        pretrained=False,
        out_indices=(2, 3),
    ),
    neck=dict(in_channels=[20, 40]),
)
