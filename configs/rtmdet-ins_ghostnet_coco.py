# RTMDet-Ins with GhostNet 0.75x and an 80-channel neck and head, COCO instances, 300
# epochs at 640 px: 2.35M parameters in all. Recipe: mmdet's
# rtmdet-ins_tiny_8xb32-300e_coco.py (5.64M); neck and head are narrower and the neck's
# convolutions depthwise. Batch norm is not synchronised: 32 images per GPU are enough,
# and SyncBN cannot train on several CPU processes. ImageNet weights at this width were
# never published, so it trains from scratch, as mmdet's YOLOX does in as many epochs;
# name your own with --backbone-weights PATH.
_base_ = "mmdet::rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py"
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

norm_cfg = dict(type="BN")
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        # Nothing to pad at the recipe's 640 px; other pipelines need both.
        pad_size_divisor=32,
        pad_mask=True,
    ),
    backbone=dict(
        _delete_=True,
        type="GhostNet",
        widen_factor=0.75,
        out_indices=(1, 2, 3),
        init_cfg=None,
    ),
    neck=dict(
        in_channels=[32, 84, 120],
        out_channels=80,
        use_depthwise=True,
        norm_cfg=norm_cfg,
    ),
    bbox_head=dict(in_channels=80, feat_channels=80, norm_cfg=norm_cfg),
)
# The base has the 16 of another schedule.
auto_scale_lr = dict(base_batch_size=256)

data_root = "{{$COCO_ROOT:data/coco}}".rstrip("/") + "/"
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/instances_val2017.json")
test_evaluator = val_evaluator
