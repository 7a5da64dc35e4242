# A detector config that trains in seconds: RetinaNet with GhostNet 0.5x at 96 px.
_base_ = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type="GhostNet",
        widen_factor=0.5,
        out_indices=(1, 2, 3),
    ),
    neck=dict(in_channels=[20, 56, 80], out_channels=16, start_level=0),
    bbox_head=dict(
        in_channels=16,
        feat_channels=16,
        stacked_convs=1,
        anchor_generator=dict(octave_base_scale=2),
    ),
    test_cfg=dict(score_thr=0.0),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=(96, 96), keep_ratio=True),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(96, 96), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline)
)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=10, val_interval=5)
default_hooks = dict(checkpoint=dict(interval=5))
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=0.004))
param_scheduler = []
randomness = dict(seed=0)
# A report of every run would take longer than the runs themselves.
custom_hooks = [dict(type="RunReport", write=False)]
