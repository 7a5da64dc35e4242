# gfl_ghostnet-small_coco.py with 128 channels at 416 px.
_base_ = "./gfl_ghostnet-small_coco.py"

model = dict(
    data_preprocessor=dict(
        batch_augments=[
            dict(
                type="BatchSyncRandomResize",
                random_size_range=(320, 512),
                size_divisor=32,
                interval=10,
            )
        ]
    ),
    neck=dict(out_channels=128),
    bbox_head=dict(in_channels=128, feat_channels=128),
)

image_scale = (416, 416)
train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PhotoMetricDistortion"),
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
test_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
    dict(type="Resize", scale=image_scale, keep_ratio=False),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
