"""Arguments that are written down once are still seen on every family."""

import inspect

import pytest
from mmdet.registry import MODELS

from ghostnet_mm.backbones import GhostNet
from ghostnet_mm.backbones.base import MultiScaleBackbone
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.errors import OptionError

SHARED = {
    "widen_factor": 1.0,
    "in_channels": 3,
    "out_indices": (0, 1, 2, 3),
    "frozen_stages": -1,
    "conv_cfg": None,
    "norm_cfg": None,
    "act_cfg": None,
    "norm_eval": False,
    "with_cp": False,
    "output_stride": 32,
    "init_cfg": None,
}
OWN = {
    "GhostNet": dict(ratio=2, cheap_kernel_size=3),
    "GhostNetV2": dict(ratio=2, cheap_kernel_size=3),
    "GhostNetV3": dict(ratio=2, cheap_kernel_size=3, deploy=False),
    "RepGhostNet": dict(cheap_kernel_size=3, deploy=False),
    "GGhostRegNet": dict(arch="regnetx_3.2gf", norm_eval=True),
    "GhostResNet": dict(depth=50, ratio=2, cheap_kernel_size=3),
}


@pytest.mark.parametrize("family", OWN)
def test_every_argument_and_its_default_is_in_the_signature(family):
    shown = inspect.signature(MODELS.get(family)).parameters
    assert {name: p.default for name, p in shown.items()} == {**SHARED, **OWN[family]}
    assert not {p.kind for p in shown.values()} & {
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    }


@pytest.mark.parametrize("family", OWN)
def test_every_argument_of_the_signature_is_taken(family):
    """Catches a signature that shows what the constructor would refuse."""
    kind = MODELS.get(family)
    defaults = {
        name: p.default for name, p in inspect.signature(kind).parameters.items()
    }
    small = dict(defaults, widen_factor=0.5, out_indices=(1,))
    backbone = kind(**small)
    for name in ("out_indices", "frozen_stages", "norm_eval", "with_cp", *OWN[family]):
        assert getattr(backbone, name) == small[name], name


@pytest.mark.parametrize("family", OWN)
def test_one_that_is_not_shown_is_refused(family):
    kind = MODELS.get(family)
    for name in {"ratio", "deploy", "depth", "arch", "widen"} - set(
        inspect.signature(kind).parameters
    ):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            kind(out_indices=(0,), **{name: 2})


def test_a_misspelt_shared_argument_is_named(project_root):
    tiny = project_root / "tests" / "support" / "tiny_detector.py"
    options = {"model.backbone.type": "GhostNetV3", "model.backbone.with_pc": True}
    with pytest.raises(OptionError, match="no argument 'with_pc'; did you mean"):
        load_config(tiny, Options(cfg_options=options))


def test_a_subclass_of_a_user_shows_them_too():
    class Mine(GhostNet):
        def __init__(self, *, grey: bool = False, **shared):
            super().__init__(**shared)
            self.grey = grey

    shown = inspect.signature(Mine).parameters
    assert set(shown) == {"grey", "ratio", "cheap_kernel_size", *SHARED}
    assert set(inspect.signature(MultiScaleBackbone).parameters) == set(SHARED)
