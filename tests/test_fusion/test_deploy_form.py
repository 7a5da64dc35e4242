"""The deploy form computes what the model computes, with the norms folded away."""

import functools
from collections import Counter
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from support.closeness import assert_equal_maps
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ghostnet_mm.backbones import GhostNet, GhostNetV3
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.model.task_scopes import scope_of
from ghostnet_mm.errors import OptionError
from ghostnet_mm.fusion.deploy_form import (
    NOT_BATCH_NORM,
    deploy_form,
    deploy_form_and_report,
    reparameterized,
)
from ghostnet_mm.layers.reparam_conv import ChannelScale
from ghostnet_mm.measuring.detector_complexity import network_pass
from ghostnet_mm.necks import GhostPAN

CONFIG_DIR = Path(__file__).parents[2] / "configs"
# One of every kind of head and neck; the others differ in backbone, width or data.
REPRESENTATIVE = {
    "centernet_ghostnet_coco",
    "classifier_ghostnet_digit-crops",
    "condinst_ghostnet_coco",
    "faster-rcnn_ghostnet_coco",
    "fcos_ghostnet_coco",
    "gfl_ghostnet-nano_coco",
    "rtmdet-ins_ghostnet_coco",
    "rtmdet_ghostnet_coco",
    "solov2-light_ghostnet_coco",
    "ssdlite_ghostnet_coco",
    "yolov3_ghostnet_coco",
    "yolox_ghostnet-nano_coco",
}
CONFIGS = [
    pytest.param(
        path,
        id=path.stem,
        marks=() if path.stem in REPRESENTATIVE else pytest.mark.slow,
    )
    for path in sorted(CONFIG_DIR.glob("*.py"))
]
# Two narrow ones of four; the last two families have no narrow form.
FAMILIES = {
    "GhostNet": 0.5,
    "GhostNetV2": 0.5,
    "GhostNetV3": 0.5,
    "RepGhostNet": 0.5,
    "GGhostRegNet": 1.0,
    "GhostResNet": 1.0,
}


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules()
    yield
    init_default_scope("mmdet")


def build(path, **cfg_options):
    options = Options(cfg_options=cfg_options, backbone_weights="none")
    cfg = load_config(path, options, training=False)
    init_default_scope(scope_of(cfg))
    return MODELS.build(cfg.model)


def run_network(model, size):
    """Take less time than the default's 320 px."""
    return network_pass(model, 3, size)()


def batch_norms(model):
    return [norm for norm in model.modules() if isinstance(norm, _BatchNorm)]


def state_of(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_state_is(model, before):
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())


@torch.no_grad()
def logits(model, image):
    """Return everything that a model's own layers compute, without post-processing.

    Boxes of a second stage are the same for every model: those of the first stage may
    change their order by a rounding.
    """
    maps = model.extract_feat(image)
    outputs = [maps]
    for name in ("rpn_head", "bbox_head", "semantic_head", "decode_head", "head"):
        head = getattr(model, name, None)
        if head is not None:
            outputs.append(head(maps))
    if getattr(model, "roi_head", None) is not None:
        corners = 100 * torch.rand(20, 2, generator=torch.Generator().manual_seed(0))
        boxes = torch.cat((corners, 1.5 * corners + 10), dim=1)
        sample = DetDataSample(metainfo=dict(img_shape=tuple(image.shape[-2:])))
        outputs.append(
            model.roi_head.forward(maps, [InstanceData(bboxes=boxes)], [sample])
        )
    mask_head = getattr(model, "mask_head", None)
    if mask_head is not None:
        # CondInst's needs detections but for this part.
        outputs.append(getattr(mask_head, "mask_feature_head", mask_head)(maps))
    return outputs


def assert_deploys(model, size, randomize_norms, left=(), run=None):
    """Check a model's deploy form and return it with its report."""
    randomize_norms(model).train()
    before, kinds = state_of(model), Counter(map(type, model.modules()))
    deployed, report = deploy_form_and_report(model, run)
    assert_state_is(model, before)
    assert Counter(map(type, model.modules())) == kinds
    assert model.training
    assert not any(module.training for module in deployed.modules())
    assert batch_norms(deployed) == []
    assert sorted(set(report.left.values())) == sorted(left)
    model.eval()
    image = torch.rand(1, 3, *size)
    assert_equal_maps(logits(deployed, image), logits(model, image))
    return deployed, report


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_in_a_detector(family, randomize_norms):
    cfg_options = {
        "model.backbone.type": family,
        "model.backbone.widen_factor": FAMILIES[family],
    }
    model = build(CONFIG_DIR / "retinanet_ghostnet_digits.py", **cfg_options)
    _, report = assert_deploys(model, (97, 131), randomize_norms)
    # Every pair that re-parameterization left became one convolution.
    assert len(report.folded) == len(batch_norms(reparameterized(model)))


@pytest.mark.parametrize("path", CONFIGS)
def test_every_config(path, randomize_norms):
    model = build(path, **{"model.backbone.widen_factor": 0.5})
    has_group_norm = any(isinstance(module, nn.GroupNorm) for module in model.modules())
    left = [NOT_BATCH_NORM] if has_group_norm else []
    # Half of them add or join maps that fit only where the stride divides the sides.
    size = (128, 160)
    run = functools.partial(run_network, size=size)
    assert_deploys(model, size, randomize_norms, left, run)


@pytest.mark.parametrize(
    "norm_cfg",
    [
        dict(type="GhostBN", virtual_batch_size=2),
        dict(type="SyncBN"),
        dict(type="BN", eps=0.1, affine=True),
    ],
)
def test_other_batch_norms_fold_too(norm_cfg, randomize_norms):
    backbone = randomize_norms(GhostNet(widen_factor=0.5, norm_cfg=norm_cfg)).eval()
    deployed = deploy_form(backbone)
    assert batch_norms(deployed) == []
    image = torch.rand(1, 3, 65, 97)
    with torch.no_grad():
        assert_equal_maps(deployed(image), backbone(image))


def test_the_deploy_form_of_v3_is_fused_and_its_model_is_not():
    """Catches re-parameterizing in place."""
    model = GhostNetV3(widen_factor=0.5)
    fused = deploy_form(model)
    assert fused.deploy
    assert not model.deploy
    assert any(isinstance(module, ChannelScale) for module in model.modules())
    assert not any(isinstance(module, ChannelScale) for module in fused.modules())
    # Deploying a deploy form changes nothing.
    again, report = deploy_form_and_report(fused)
    assert report.folded == ()
    assert_state_is(again, fused.state_dict())


def test_norms_of_v3_without_statistics_are_refused():
    norm_cfg = dict(type="GN", num_groups=2)
    with pytest.raises(OptionError, match="GroupNorm"):
        deploy_form(GhostNetV3(widen_factor=0.5, norm_cfg=norm_cfg))


def test_a_neck_needs_a_pass_of_its_own(randomize_norms):
    neck = randomize_norms(GhostPAN([8, 12], out_channels=16, num_outs=3)).eval()
    with pytest.raises(OptionError, match=r"GhostPAN does not run .* run\(module\)"):
        deploy_form(neck)
    maps = [torch.rand(1, 8, 14, 10), torch.rand(1, 12, 7, 5)]
    deployed, report = deploy_form_and_report(neck, run=lambda module: module(maps))
    assert batch_norms(deployed) == []
    assert len(report.folded) == len(batch_norms(neck))
    with torch.no_grad():
        assert_equal_maps(deployed(maps), neck(maps))
