# A depthwise RTMDet of 64 channels with GhostNet 0.85x, COCO, 300 epochs, 320 px.
# Recipe: rtmdet_ghostnet_coco.py with mmdet's pipelines at half their size. It costs
# what YOLOX-nano does: 0.304 against 0.309 GMACs at 320 px (tools/print_complexity.py).
# mmdet cannot share depthwise convolutions between levels, so each level has its own.
# No ImageNet weights of this width are published: the backbone trains from scratch.
_base_ = "./rtmdet_ghostnet_coco.py"

model = dict(
    backbone=dict(widen_factor=0.85, init_cfg=None),
    neck=dict(in_channels=[36, 96, 136], out_channels=64, use_depthwise=True),
    bbox_head=dict(
        in_channels=64, feat_channels=64, use_depthwise=True, share_conv=False
    ),
)

image_scale = (320, 320)
train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="CachedMosaic",
        img_scale=image_scale,
        pad_val=114.0,
        max_cached_images=20,
        random_pop=False,
    ),
    dict(
        type="RandomResize", scale=(640, 640), ratio_range=(0.5, 2.0), keep_ratio=True
    ),
    dict(type="RandomCrop", crop_size=image_scale),
    dict(type="YOLOXHSVRandomAug"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="Pad", size=image_scale, pad_val=dict(img=(114, 114, 114))),
    dict(
        type="CachedMixUp",
        img_scale=image_scale,
        ratio_range=(1.0, 1.0),
        max_cached_images=10,
        random_pop=False,
        pad_val=(114, 114, 114),
        prob=0.5,
    ),
    dict(type="PackDetInputs"),
]
train_pipeline_stage2 = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="RandomResize", scale=image_scale, ratio_range=(0.5, 2.0), keep_ratio=True
    ),
    dict(type="RandomCrop", crop_size=image_scale),
    dict(type="YOLOXHSVRandomAug"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="Pad", size=image_scale, pad_val=dict(img=(114, 114, 114))),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="Pad", size=image_scale, pad_val=dict(img=(114, 114, 114))),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [
    dict(
        type="EMAHook",
        ema_type="ExpMomentumEMA",
        momentum=0.0002,
        update_buffers=True,
        priority=49,
    ),
    dict(
        type="PipelineSwitchHook",
        switch_epoch=280,
        switch_pipeline=train_pipeline_stage2,
    ),
]
