# GhostNetV2 1.0x with its published classifier, ImageNet, 224 px. Recipe: the command
# in the authors' readme: 8 GPUs x 128 images, 450 epochs, RMSprop, lr 0.064 decayed by
# 0.973 every 2.4 epochs, weight decay 1e-5, dropout 0.2, averaged weights (0.9999),
# RandAugment m9-mstd0.5, random erasing 0.2, mixed precision (pass --amp).
#
# What differs: torch's RMSprop takes eps outside the root, so 1e-3 becomes its root, as
# in mmpretrain's MobileNetV3 configs (whose alpha and momentum these are); a warm-up of
# 5 epochs; mmpretrain's timm_increasing set of RandAugment operations.
_base_ = "./classifier_ghostnet_imagenet.py"

model = dict(
    backbone=dict(type="mmdet.GhostNetV2"),
    head=dict(
        loss=dict(_delete_=True, type="CrossEntropyLoss", loss_weight=1.0),
    ),
)

bgr_mean = [103.53, 116.28, 123.675]
bgr_std = [57.375, 57.12, 58.395]
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="RandomResizedCrop", scale=224, backend="pillow", interpolation="bicubic"
    ),
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(
        type="RandAugment",
        policies="timm_increasing",
        num_policies=2,
        total_level=10,
        magnitude_level=9,
        magnitude_std=0.5,
        hparams=dict(pad_val=[104, 116, 124], interpolation="bicubic"),
    ),
    dict(
        type="RandomErasing",
        erase_prob=0.2,
        mode="rand",
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        fill_color=bgr_mean,
        fill_std=bgr_std,
    ),
    dict(type="PackInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

max_epochs = 450
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type="RMSprop",
        lr=0.064,
        alpha=0.9,
        momentum=0.9,
        eps=0.0316,
        weight_decay=1e-5,
    )
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
    # timm's rule: at epoch t the rate has been decayed floor(t / 2.4) times.
    dict(
        type="MultiStepLR",
        by_epoch=True,
        milestones=[-(-12 * step // 5) for step in range(1, max_epochs * 5 // 12 + 1)],
        gamma=0.973,
    ),
]
train_cfg = dict(max_epochs=max_epochs)
custom_hooks = [dict(type="EMAHook", momentum=1e-4, update_buffers=True)]
