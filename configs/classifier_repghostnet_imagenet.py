# RepGhostNet 1.0x with its published classifier, ImageNet, trained with its parallel
# branches. Recipe: that of classifier_ghostnet_imagenet.py.
_base_ = "./classifier_ghostnet_imagenet.py"

model = dict(backbone=dict(type="mmdet.RepGhostNet"))
