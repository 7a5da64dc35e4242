# GhostNet 1.0x with its published classifier, ImageNet, 224 px. Recipe: the independent
# PyTorch retraining by d-li14 (240 epochs, batch 1024, SGD, lr 0.4, cosine with
# warm-up, label smoothing, weight decay 4e-5, dropout 0.2), for the authors trained in
# TensorFlow. Its warm-up is taken to be 5 epochs, as the author says of his
# (ghostnet.pytorch#3), its smoothing 0.1 and its momentum 0.9. 8 GPUs x 128 images.
#
# Evaluate the published weights with
#   python tools/test.py configs/classifier_ghostnet_imagenet.py timm://ghostnet_100.in1k
_base_ = [
    "mmpretrain::_base_/datasets/imagenet_bs128_mbv3.py",
    "mmpretrain::_base_/default_runtime.py",
]
custom_imports = dict(
    imports=["ghostnet_mm", "ghostnet_mm.classification"], allow_failed_imports=False
)

model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(
        type="ClsDataPreprocessor",
        num_classes=1000,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    # Looked up across packages: the backbones are in mmdet's registry.
    backbone=dict(
        type="mmdet.GhostNet", widen_factor=1.0, out_indices=(3,), init_cfg=None
    ),
    head=dict(
        type="GhostClsHead",
        num_classes=1000,
        in_channels=160,
        widen_factor=1.0,
        dropout=0.2,
        loss=dict(type="LabelSmoothLoss", label_smooth_val=0.1, mode="original"),
        topk=(1, 5),
    ),
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="RandomResizedCrop", scale=224, backend="pillow", interpolation="bicubic"
    ),
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(type="PackInputs"),
]
# timm's evaluation of the published weights: bicubic, 224 of 256.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="ResizeEdge",
        scale=256,
        edge="short",
        backend="pillow",
        interpolation="bicubic",
    ),
    dict(type="CenterCrop", crop_size=224),
    dict(type="PackInputs"),
]
data_root = "{{$IMAGENET_ROOT:data/imagenet}}"
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.4, momentum=0.9, weight_decay=4e-5),
)
param_scheduler = [
    dict(
        type="LinearLR",
        start_factor=1e-3,
        by_epoch=True,
        begin=0,
        end=5,
        convert_to_iter_based=True,
    ),
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        begin=5,
        end=240,
        T_max=235,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(by_epoch=True, max_epochs=240, val_interval=5)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=1024)
