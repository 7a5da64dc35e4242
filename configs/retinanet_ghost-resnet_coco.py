# retinanet_ghostnet_coco.py with Ghost-ResNet-50 (ratio 2). Its ImageNet weights were
# never published, so it trains from scratch: every layer and every norm learns, for
# 73 epochs (as in mmdet's scratch recipes, which have group norm; 12 are for pretrained
# weights).
# Give each GPU more images where memory allows, for the sake of the batch statistics.
_base_ = "./retinanet_ghostnet_coco.py"

model = dict(
    backbone=dict(
        _delete_=True,
        type="GhostResNet",
        depth=50,
        ratio=2,
        out_indices=(1, 2, 3),
        frozen_stages=-1,
        norm_eval=False,
        init_cfg=None,
    ),
    neck=dict(in_channels=[512, 1024, 2048]),
)

max_epochs = 73
train_cfg = dict(max_epochs=max_epochs, val_interval=6)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(
        type="MultiStepLR",
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[65, 71],
        gamma=0.1,
    ),
]
