# GhostNet 0.5x classifies single digits, cut from the embedded dataset by
# tools/make_digit_crops.py: the pretraining step before retinanet_ghostnet_digits.py.
#
#   python tools/make_digit_crops.py data/digits data/digit_crops
#   python tools/train.py configs/classifier_ghostnet_digit-crops.py
#   python tools/train.py configs/retinanet_ghostnet_digits.py \
#       --backbone-weights work_dirs/classifier_ghostnet_digit-crops/epoch_20.pth
_base_ = "mmpretrain::_base_/default_runtime.py"
custom_imports = dict(
    imports=["ghostnet_mm", "ghostnet_mm.classification"], allow_failed_imports=False
)

# model
model = dict(
    type="ImageClassifier",
    # The statistics that the detector uses.
    data_preprocessor=dict(
        type="ClsDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type="mmdet.GhostNet",
        widen_factor=0.5,
        # The stages that the detector uses; at stride 32 a crop would be 2 x 2 cells.
        out_indices=(2,),
        init_cfg=None,
    ),
    head=dict(
        type="GhostClsHead",
        num_classes=10,
        in_channels=56,
        widen_factor=0.5,
        hidden_channels=256,
    ),
)

# data
dataset_type = "CustomDataset"
data_root = "{{$DIGIT_CROPS_ROOT:data/digit_crops}}"
metainfo = dict(classes=tuple("0123456789"))
train_pipeline = [
    dict(type="LoadImageFromFile"),
    # A mirrored digit would be none.
    dict(type="RandomResizedCrop", scale=64, crop_ratio_range=(0.8, 1.0)),
    dict(type="PackInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(64, 64)),
    dict(type="PackInputs"),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix="train",
        metainfo=metainfo,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix="val",
        metainfo=metainfo,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="Accuracy", topk=(1, 5))
test_evaluator = val_evaluator

# schedule
max_epochs = 20
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=5)
val_cfg = dict()
test_cfg = dict()
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
auto_scale_lr = dict(enable=False, base_batch_size=32)
