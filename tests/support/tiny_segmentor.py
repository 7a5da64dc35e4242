# A segmentor config that trains in seconds; the test fills in the folder.
_base_ = "../../configs/lraspp_ghostnetv2_ade20k.py"

classes = ("left", "right")
size = (64, 96)
model = dict(
    data_preprocessor=dict(size=size),
    backbone=dict(widen_factor=0.5, init_cfg=None),
    decode_head=dict(in_channels=(12, 20, 80), num_classes=2),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="Resize", scale=size[::-1], keep_ratio=False),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=size[::-1], keep_ratio=False),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
dataset = dict(
    _delete_=True,
    type="BaseSegDataset",
    data_root="data",
    img_suffix=".png",
    metainfo=dict(classes=classes, palette=[[255, 0, 0], [0, 0, 255]]),
    data_prefix=dict(img_path="images", seg_map_path="labels"),
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(dataset, pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(dataset, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
train_cfg = dict(max_iters=20, val_interval=20)
default_hooks = dict(checkpoint=dict(interval=20))
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=0.01))
param_scheduler = []
randomness = dict(seed=0)
