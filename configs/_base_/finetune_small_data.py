# Fine-tuning on some hundred pictures, with RetinaNet and GhostNet 1.0x; to train with,
# or to inherit from. Recipe: ../retinanet_ghostnet_coco.py. Differs in: the stem stays
# as it is, early layers learn more slowly, weights are averaged, the rate falls along a
# cosine, every epoch is validated, and the run ends when the score stops rising. Not
# measured yet. For another detector, pass --freeze stem --layer-decay 0.8 --ema
# --early-stop to tools/train.py; see docs/training.md.
_base_ = "../retinanet_ghostnet_coco.py"

model = dict(backbone=dict(frozen_stages=0, norm_eval=True))

auto_scale_lr = dict(base_batch_size=4)
max_epochs = 50
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
train_dataloader = dict(batch_size=4)
optim_wrapper = dict(
    # The recipe's rate, 0.01 for 16 images, for 4.
    optimizer=dict(lr=0.0025),
    constructor="GhostLayerDecayOptimWrapperConstructor",
    paramwise_cfg=dict(decay_rate=0.8),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type="CosineAnnealingLR",
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        eta_min=2.5e-5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
custom_hooks = [
    dict(type="WeightAverage"),
    dict(type="EarlyStop", monitor="coco/bbox_mAP", patience=10),
]
default_hooks = dict(
    checkpoint=dict(save_best="coco/bbox_mAP", rule="greater", max_keep_ckpts=2)
)
