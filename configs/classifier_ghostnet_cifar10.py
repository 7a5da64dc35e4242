# GhostNet 1.0x on CIFAR-10. Recipe: mmpretrain's resnet18_8xb16_cifar10.py (SGD, lr 0.1
# for a batch of 128, 200 epochs, steps at 100 and 150). The paper's CIFAR-10 networks
# are VGG-16 and ResNet-56 with ghost modules; this is GhostNet itself. Its stem and
# first stages would leave a single cell of a 32 px image, so that the images are
# enlarged to 64 px and the deepest stage dilated: it sees 4 x 4 cells, and no layer is
# changed, so that published weights fit.
_base_ = [
    "mmpretrain::_base_/datasets/cifar10_bs16.py",
    "mmpretrain::_base_/schedules/cifar10_bs128.py",
    "mmpretrain::_base_/default_runtime.py",
]
custom_imports = dict(
    imports=["ghostnet_mm", "ghostnet_mm.classification"], allow_failed_imports=False
)

model = dict(
    type="ImageClassifier",
    backbone=dict(
        type="mmdet.GhostNet",
        widen_factor=1.0,
        out_indices=(3,),
        output_stride=16,
        init_cfg=None,
    ),
    head=dict(type="GhostClsHead", num_classes=10, in_channels=160, widen_factor=1.0),
)

train_pipeline = [
    dict(type="RandomCrop", crop_size=32, padding=4),
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(type="Resize", scale=64),
    dict(type="PackInputs"),
]
test_pipeline = [dict(type="Resize", scale=64), dict(type="PackInputs")]
data_root = "{{$CIFAR10_ROOT:data/cifar10}}"
train_dataloader = dict(
    batch_size=128, dataset=dict(data_root=data_root, pipeline=train_pipeline)
)
val_dataloader = dict(
    batch_size=128, dataset=dict(data_root=data_root, pipeline=test_pipeline)
)
test_dataloader = val_dataloader
