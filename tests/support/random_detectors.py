"""The configs' detectors with random weights, and mmdet's own predictions."""

import copy
import re
from functools import cache

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from torch import nn

from ghostnet_mm.configuration import Options, load_config
from support.configs_read_once import FOLDER as CONFIGS
from support.random_norms import randomize_norms

# Padded inputs with pictures of these heights and widths inside.
INPUT = (128, 160)
PICTURES = ((125, 130), (96, 160))
# Original pictures are this much narrower and lower.
SCALE_FACTORS = ((1.25, 1.25), (0.8, 0.96))
# Of the configs' families, those with another meaning or smallest width.
WIDTHS = {"retinanet_gghost-regnet_coco": 1.0, "retinanet_ghost-resnet_coco": 1.0}
# The heads that cost most, with fewer channels; their operations are the same.
NARROW = {
    "model.neck.out_channels": 64,
    "model.bbox_head.in_channels": 64,
    "model.bbox_head.feat_channels": 64,
}
NARROW_REGIONS = {
    "model.neck.out_channels": 64,
    "model.rpn_head.in_channels": 64,
    "model.rpn_head.feat_channels": 64,
    "model.roi_head.bbox_roi_extractor.out_channels": 64,
    "model.roi_head.bbox_head.in_channels": 64,
    "model.roi_head.bbox_head.fc_out_channels": 64,
    "model.test_cfg.rpn.max_per_img": 300,
}
# Layers whose outputs must differ more: before a softmax, and the weights of masks.
SPREADS = {
    "roi_head.bbox_head.fc_cls": 3.0,
    **{f"bbox_head.rtm_kernel.{level}": 1.5 for level in range(3)},
}
# The last layers of all heads, SSD's among them.
CLASS_LAYERS = re.compile(
    r"_cls(\.\d+)?$|\.cls_convs\.\d+(\.\d+)?$|convs_pred\.\d+$|heatmap_head\.2$"
)


def build(name, width=None):
    """Build a config's detector with random weights that let many candidates pass.

    Each is built once by a test process; what is returned is a copy.
    """
    if torch.get_default_device().type == "meta":
        return _build(name, width)
    built, after = _build_once(name, width)
    torch.set_rng_state(after)
    return copy.deepcopy(built)


@cache
def _build_once(name, width):
    return _build(name, width), torch.get_rng_state()


def _build(name, width):
    register_all_modules()
    width = width or WIDTHS.get(name, 0.5)
    changes = {} if "_timm-" in name else {"model.backbone.widen_factor": width}
    if name.startswith(("retinanet", "atss", "fcos", "gfl_ghostnet_coco")):
        changes |= NARROW
    if name.startswith("faster-rcnn"):
        changes |= NARROW_REGIONS
    options = Options(backbone_weights="none", cfg_options=changes)
    cfg = load_config(CONFIGS / f"{name}.py", options)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    randomize_norms(model)
    if next(model.parameters()).device.type != "meta":
        _randomize(model)
    return cfg, model


def _randomize(model):
    """Let heads tell classes and boxes apart: no layer's outputs are all alike."""
    layers = {}
    for name, head in model.named_children():
        if name.endswith("head"):
            for inner, layer in head.named_modules():
                if isinstance(layer, (nn.Conv2d, nn.Linear)):
                    layers[f"{name}.{inner}"] = layer
    hooks = [
        layer.register_forward_hook(_Scaling(SPREADS.get(name, 0.5)))
        for name, layer in layers.items()
    ]
    with torch.no_grad():
        model.predict(images(1), samples(PICTURES[:1]), rescale=False)
    for hook in hooks:
        hook.remove()
    for name, layer in layers.items():
        if CLASS_LAYERS.search(name) and layer.bias is not None:
            # Most candidates are none.
            nn.init.normal_(layer.bias, mean=-2.0, std=0.3)


class _Scaling:
    """Scales a layer when it first runs, so that its outputs differ by ``spread``."""

    def __init__(self, spread):
        self.spread = spread
        self.done = False

    def __call__(self, layer, inputs, output):
        if self.done:
            return output
        self.done = True
        if layer.bias is not None:
            nn.init.normal_(layer.bias, std=0.1)
        nn.init.normal_(layer.weight)
        spread = layer.forward(*inputs).std().clamp(min=1e-3)
        layer.weight.data *= self.spread / spread
        return layer.forward(*inputs)


def images(count=2, size=INPUT, seed=1):
    generator = torch.Generator().manual_seed(seed)
    batch = torch.randn(count, 3, *size, generator=generator)
    # Like pictures, neighbours are alike.
    return nn.functional.avg_pool2d(batch, 5, stride=1, padding=2) * 4


def samples(pictures=PICTURES, size=INPUT, borders=False):
    made = []
    for (height, width), factor in zip(pictures, SCALE_FACTORS, strict=False):
        sample = DetDataSample()
        sample.set_metainfo(
            dict(
                img_shape=size if borders else (height, width),
                ori_shape=(round(height / factor[1]), round(width / factor[0])),
                scale_factor=factor,
                batch_input_shape=size,
                pad_shape=size,
                border=torch.tensor([3.0, height, 5.0, width]),
            )
        )
        made.append(sample)
    return made


@torch.no_grad()
def predictions(model, batch, given):
    """What mmdet finds, in pixels of the original pictures."""
    found = model.predict(batch.clone(), given, rescale=True)
    return [result.pred_instances for result in found]
