# What the mobile detectors share: GFL with a Ghost-PAN and separable towers on strides
# 8 to 64, COCO at 320 px, 300 epochs. Recipe: NanoDet-Plus-m 320 (batch 96, AdamW,
# cosine, EMA 0.9998, whole images to a square). Its warp is replaced by mmdet's SSD
# augmentation, its auxiliary branch is left out, and sizes vary as in PicoDet.
_base_ = [
    "mmdet::_base_/default_runtime.py",
    "mmdet::_base_/datasets/coco_detection.py",
]
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

# model
norm_cfg = dict(type="BN")
act_cfg = dict(type="HSwish")
model = dict(
    type="GFL",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
        batch_augments=[
            dict(
                type="BatchSyncRandomResize",
                random_size_range=(256, 384),
                size_divisor=32,
                interval=10,
            )
        ],
    ),
    neck=dict(
        type="GhostPAN",
        num_outs=4,
        kernel_size=5,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    ),
    bbox_head=dict(
        type="MobileGFLHead",
        num_classes=80,
        stacked_convs=2,
        kernel_size=5,
        strides=[8, 16, 32, 64],
        reg_max=7,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        loss_cls=dict(
            type="QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0
        ),
        loss_bbox=dict(type="GIoULoss", loss_weight=2.0),
        loss_dfl=dict(type="DistributionFocalLoss", loss_weight=0.25),
    ),
    train_cfg=dict(
        assigner=dict(type="DynamicSoftLabelAssigner", topk=13),
        allowed_border=-1,
        pos_weight=-1,
        debug=False,
    ),
    test_cfg=dict(
        nms_pre=1000,
        min_bbox_size=0,
        score_thr=0.025,
        nms=dict(type="nms", iou_threshold=0.6),
        max_per_img=100,
    ),
)

# data
image_scale = (320, 320)
train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PhotoMetricDistortion"),
    # Zooms out to 0.6 and in to 2.0, and stretches: small models learn little from
    # mosaics, which NanoDet-Plus and PicoDet leave out too.
    dict(
        type="Expand",
        mean=[123.675, 116.28, 103.53],
        to_rgb=True,
        ratio_range=(1, 1.7),
        prob=0.5,
    ),
    dict(type="MinIoURandomCrop", min_ious=(0.3, 0.5, 0.7, 0.9), min_crop_size=0.5),
    dict(type="Resize", scale=image_scale, keep_ratio=False),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
# Every pixel of a fixed square sees some of the image.
test_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="Resize", scale=image_scale, keep_ratio=False),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
data_root = "{{$COCO_ROOT:data/coco}}".rstrip("/") + "/"
train_dataloader = dict(
    batch_size=96,
    num_workers=8,
    batch_sampler=None,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    dataset=dict(data_root=data_root, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/instances_val2017.json")
test_evaluator = val_evaluator

# schedule
max_epochs = 300
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_epochs, val_interval=10)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.001, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
    clip_grad=dict(max_norm=35.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-4, by_epoch=False, begin=0, end=500),
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        eta_min=5e-5,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(enable=False, base_batch_size=96)
default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=3))
custom_hooks = [
    dict(
        type="EMAHook",
        ema_type="ExpMomentumEMA",
        momentum=0.0002,
        update_buffers=True,
        priority=49,
    )
]
