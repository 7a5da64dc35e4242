"""Strict loading, against timm's own models and weight filter."""

import re

import pytest
import timm
import torch
from timm.models.ghostnet import checkpoint_filter_fn
from torch import nn

from ghostnet_mm.checkpoints import load_backbone_weights
from ghostnet_mm.errors import CheckpointError


class Trunk(nn.Module):
    """timm's stem and first stages under timm's names, as our backbones have them."""

    def __init__(self, name, num_blocks=3, **options):
        super().__init__()
        model = timm.create_model(name, **options)
        self.conv_stem, self.bn1 = model.conv_stem, model.bn1
        self.blocks = model.blocks[:num_blocks]
        self.num_blocks = num_blocks

    def checkpoint_rename(self, key):
        return re.sub(r"((\.ghost|\.dw_rpr_).*)\.bn\.", r"\1.bn1.", key)

    def is_unused_checkpoint_key(self, key):
        part, _, rest = key.partition(".")
        if part == "blocks":
            return int(rest.split(".")[0]) >= self.num_blocks
        return part in ("conv_head", "bn2", "classifier")


def randomized_weights(name):
    """Return the weights of timm's model with every tensor drawn at random."""
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.rand(tensor.shape, generator=generator) + 0.1
        if tensor.is_floating_point()
        else torch.tensor(3)
        for key, tensor in timm.create_model(name).state_dict().items()
    }


def saved(weights, tmp_path):
    torch.save(weights, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def snapshot(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def assert_untouched(module, before):
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["ghostnet_100", "ghostnetv2_100", "ghostnetv3_100"])
def test_every_tensor_of_the_trunk_is_that_of_the_file(tmp_path, name):
    weights = randomized_weights(name)
    trunk = Trunk(name)
    assert load_backbone_weights(trunk, saved(weights, tmp_path)) is None
    expected = {key: weights[key] for key in trunk.state_dict()}
    torch.testing.assert_close(trunk.state_dict(), expected, rtol=0, atol=0)


def test_outputs_are_those_of_timms_model(tmp_path):
    model = timm.create_model("ghostnet_100").eval()
    trunk = Trunk("ghostnet_100", num_blocks=10).eval()
    load_backbone_weights(trunk, saved(model.state_dict(), tmp_path))
    x = torch.randn(1, 3, 64, 64)
    found = trunk.blocks(torch.relu(trunk.bn1(trunk.conv_stem(x))))
    expected = model.blocks(torch.relu(model.bn1(model.conv_stem(x))))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_the_official_v3_names_load_as_timm_reads_them(tmp_path):
    ours = randomized_weights("ghostnetv3_100")
    official = {
        key.replace(".bn1.", ".bn.")
        if ".ghost" in key or ".dw_rpr_" in key
        else key: value
        for key, value in ours.items()
    }
    assert len(official.keys() - ours.keys()) == 1200
    timms = timm.create_model("ghostnetv3_100")
    timms.load_state_dict(checkpoint_filter_fn(dict(official), timms), strict=True)

    plain = {key: torch.zeros_like(tensor) for key, tensor in official.items()}
    file = {"state_dict": plain, "state_dict_ema": official}
    trunk = Trunk("ghostnetv3_100")
    load_backbone_weights(trunk, saved(file, tmp_path))
    read_by_timm = timms.state_dict()
    expected = {key: read_by_timm[key] for key in trunk.state_dict()}
    torch.testing.assert_close(trunk.state_dict(), expected, rtol=0, atol=0)


def test_the_backbone_of_a_detector_loads_into_a_backbone(tmp_path):
    source = Trunk("ghostnet_050")
    detector = nn.ModuleDict({"backbone": source, "bbox_head": nn.Conv2d(3, 4, 1)})
    trunk = Trunk("ghostnet_050")
    load_backbone_weights(trunk, saved({"state_dict": detector.state_dict()}, tmp_path))
    assert_untouched(trunk, source.state_dict())


def test_a_module_without_the_two_methods_loads_its_own_keys_only(tmp_path):
    module = nn.BatchNorm2d(3)
    weights = {**nn.BatchNorm2d(3).state_dict(), "weight": torch.full((3,), 2.5)}
    load_backbone_weights(module, saved(weights, tmp_path))
    assert module.weight[0] == 2.5
    with pytest.raises(CheckpointError, match=r"1 keys are not part of it \(extra\)"):
        load_backbone_weights(
            module, saved({**weights, "extra": torch.ones(1)}, tmp_path)
        )


def test_batch_counts_may_be_absent(tmp_path):
    weights = randomized_weights("ghostnet_050")
    old = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    trunk = Trunk("ghostnet_050")
    load_backbone_weights(trunk, saved(old, tmp_path))
    for key, value in trunk.state_dict().items():
        expected = old.get(key, torch.tensor(0))
        torch.testing.assert_close(value, expected, rtol=0, atol=0)


def test_the_log_names_the_source_and_the_counts(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(
        "ghostnet_mm.checkpoints.backbone_loading.print_log",
        lambda text, **options: lines.append(text),
    )
    path = saved(randomized_weights("ghostnet_100"), tmp_path)
    trunk = Trunk("ghostnet_100", num_blocks=10)
    load_backbone_weights(trunk, path)
    assert lines == [
        f"Loaded 508 tensors from {path} into Trunk, left out 4 of the classifier."
    ]


def without(weights, key):
    return {name: value for name, value in weights.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda w: without(w, "bn1.weight"),
            r"1 keys are missing \(bn1\.weight\); nothing was loaded",
        ),
        (
            lambda w: {**w, "bn7.weight": torch.ones(3)},
            r"1 keys are not part of it \(bn7\.weight\)",
        ),
        (
            lambda w: {**w, "bn1.weight": torch.ones(7)},
            r"1 tensors have another shape \(bn1\.weight \(7,\) instead of \(16,\)\)"
            ".*widen_factor and in_channels",
        ),
        (
            lambda w: {**w, "bn1.weight": torch.full((16,), float("nan"))},
            r"1 tensors hold NaN or infinity \(bn1\.weight\)",
        ),
        (
            lambda w: {**w, "bn1.weight": torch.ones(16, dtype=torch.int8)},
            r"1 tensors are of another type \(bn1\.weight\)",
        ),
        (
            lambda w: {**w, "blocks.0.0.ghost1.primary_conv.1.bn.bias": torch.ones(16)},
            "not part of it",
        ),
    ],
)
def test_nothing_is_loaded_from_a_file_that_does_not_fit(tmp_path, change, message):
    trunk = Trunk("ghostnet_100")
    before = snapshot(trunk)
    path = saved(change(randomized_weights("ghostnet_100")), tmp_path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_backbone_weights(trunk, path)
    assert str(caught.value).startswith(f"{path} does not fit Trunk: ")
    assert "\n" not in str(caught.value)
    assert_untouched(trunk, before)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet18", {}, r"1?\d\d keys are missing .*\.\.\.\).*same architecture"),
        ("ghostnetv2_100", {}, r"\d+ keys are not part of it .*same architecture"),
        ("ghostnetv3_100", {}, r"\d+ keys are missing .*same architecture"),
        ("ghostnet_130", {}, r"\d+ tensors have another shape .*set widen_factor"),
        ("ghostnet_100", {"in_chans": 1}, r"1 tensors .* \(16, 1, 3, 3\) instead"),
    ],
)
def test_weights_of_another_architecture_are_refused(tmp_path, name, options, message):
    trunk = Trunk("ghostnet_100")
    before = snapshot(trunk)
    weights = timm.create_model(name, **options).state_dict()
    with pytest.raises(CheckpointError, match=message) as caught:
        load_backbone_weights(trunk, saved(weights, tmp_path))
    assert len(str(caught.value)) < 2000
    assert_untouched(trunk, before)


def test_two_names_for_one_tensor_are_refused(tmp_path):
    weights = randomized_weights("ghostnetv3_100")
    key = "blocks.0.0.ghost1.primary_rpr_conv.0.bn1.weight"
    weights[key.replace("bn1", "bn")] = weights[key]
    trunk = Trunk("ghostnetv3_100")
    before = snapshot(trunk)
    with pytest.raises(CheckpointError, match=r"names blocks.* twice"):
        load_backbone_weights(trunk, saved(weights, tmp_path))
    assert_untouched(trunk, before)
