# GhostNetV3 1.0x with its published classifier, ImageNet. Recipe: that of
# classifier_ghostnetv2_imagenet.py. The authors distilled from a BEiTv2-L teacher
# (cross entropy and distillation in equal parts), which this config does not: expect
# less than their 77.1 % from training it.
_base_ = "./classifier_ghostnetv2_imagenet.py"

model = dict(backbone=dict(type="mmdet.GhostNetV3"))
