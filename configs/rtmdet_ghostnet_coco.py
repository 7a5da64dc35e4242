# RTMDet-tiny's neck, head and schedule with GhostNet 1.0x, COCO, 300 epochs, 640 px.
# Recipe: mmdet's rtmdet_tiny_8xb32-300e_coco.py (AdamW, lr 0.004 for a batch of 256).
# Images are normalized as the backbone's ImageNet weights expect (RGB, where the recipe
# has BGR). Norms are BN, for SyncBN cannot train on several CPU processes; 32 images
# per GPU are enough for it.
_base_ = "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py"
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        _delete_=True,
        type="GhostNet",
        widen_factor=1.0,
        out_indices=(1, 2, 3),
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnet_100.in1k"),
    ),
    neck=dict(in_channels=[40, 112, 160], norm_cfg=dict(type="BN")),
    # Starts with boxes of several strides: see docs/comparisons.md.
    bbox_head=dict(type="MobileRTMDetHead", exp_on_reg=True, norm_cfg=dict(type="BN")),
)

data_root = "{{$COCO_ROOT:data/coco}}".rstrip("/") + "/"
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/instances_val2017.json")
test_evaluator = val_evaluator
# The recipe is for 8 x 32 images; its base states the 16 of another schedule.
auto_scale_lr = dict(base_batch_size=256)
