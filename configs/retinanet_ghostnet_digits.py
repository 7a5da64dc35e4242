# The quickstart recipe: RetinaNet with GhostNet 0.5x on the embedded digits dataset,
# trained from scratch on a laptop CPU within minutes.
_base_ = "mmdet::_base_/default_runtime.py"
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

# model
num_classes = 10
head_channels = 64
model = dict(
    type="RetinaNet",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    # Strides 8 and 16 see all there is to see; deeper stages only take time here.
    backbone=dict(type="GhostNet", widen_factor=0.5, out_indices=(1, 2), init_cfg=None),
    neck=dict(
        type="FPN",
        in_channels=[20, 56],
        out_channels=head_channels,
        num_outs=2,
        norm_cfg=dict(type="BN"),
    ),
    bbox_head=dict(
        # RetinaNet's head with norms of their own for each level.
        type="RetinaSepBNHead",
        num_classes=num_classes,
        num_ins=2,
        in_channels=head_channels,
        feat_channels=head_channels,
        stacked_convs=2,
        norm_cfg=dict(type="BN"),
        # Digits are taller than wide, and 21 to 75 pixels high at this image size.
        anchor_generator=dict(
            type="AnchorGenerator",
            scales=[2.5, 3.5, 5.0],
            ratios=[1.5],
            strides=[8, 16],
        ),
        bbox_coder=dict(
            type="DeltaXYWHBBoxCoder",
            target_means=[0.0, 0.0, 0.0, 0.0],
            target_stds=[1.0, 1.0, 1.0, 1.0],
        ),
        reg_decoded_bbox=True,
        loss_cls=dict(
            type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0
        ),
        loss_bbox=dict(type="GIoULoss", loss_weight=1.5),
    ),
    train_cfg=dict(
        assigner=dict(
            type="MaxIoUAssigner",
            pos_iou_thr=0.5,
            neg_iou_thr=0.4,
            min_pos_iou=0,
            ignore_iof_thr=-1,
        ),
        sampler=dict(type="PseudoSampler"),
        allowed_border=-1,
        pos_weight=-1,
        debug=False,
    ),
    test_cfg=dict(
        nms_pre=1000,
        min_bbox_size=0,
        score_thr=0.05,
        nms=dict(type="nms", iou_threshold=0.5),
        max_per_img=100,
    ),
)

# data
dataset_type = "CocoDataset"
data_root = "{{$DIGITS_ROOT:data/digits}}".rstrip("/") + "/"
metainfo = dict(classes=tuple("0123456789"))
image_scale = (192, 192)

train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="Resize", scale=image_scale, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
# Many small steps rather than few large ones: a run of minutes has few.
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="annotations/instances_train2017.json",
        data_prefix=dict(img="train2017/"),
        metainfo=metainfo,
        filter_cfg=dict(filter_empty_gt=False),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(img="val2017/"),
        metainfo=metainfo,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type="CocoMetric",
    ann_file=data_root + "annotations/instances_val2017.json",
    metric="bbox",
)
test_evaluator = val_evaluator

# schedule
max_epochs = 5
train_cfg = dict(
    type="EpochBasedTrainLoop", max_epochs=max_epochs, val_interval=max_epochs
)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.002, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        eta_min=1e-5,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(enable=False, base_batch_size=4)
