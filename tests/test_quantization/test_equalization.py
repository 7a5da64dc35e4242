"""Equalization computes the same in float and brings channels together."""

import copy

import pytest
import torch
from support.random_norms import randomize_norms
from torch import nn

from ghostnet_mm.backbones import GhostNet, GhostNetV3, RepGhostNet
from ghostnet_mm.fusion.deploy_form import deploy_form
from ghostnet_mm.quantization.equalization import equalize

SIZE = (64, 96)


def network(kind):
    torch.manual_seed(0)
    net = kind(widen_factor=0.5, out_indices=(1, 2))
    return deploy_form(randomize_norms(net))


def image(seed=0, size=SIZE):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 3, *size, generator=generator)


def assert_same(mine, other, within=1e-5):
    for found, expected in zip(mine, other, strict=True):
        gap = (found - expected).abs().max() / expected.abs().max()
        assert gap < within


@pytest.mark.parametrize("kind", [GhostNet, GhostNetV3, RepGhostNet])
def test_outputs_stay_the_same(kind):
    """Catches factors that a gate, a concat's second half or a trim does not undo."""
    net = network(kind)
    before = copy.deepcopy(net.state_dict())
    found = equalize(net, [image(), image(1)])
    assert len(found.factors) >= 8
    # Not by leaving all as it is.
    assert max(factors.log().abs().max() for factors in found.factors.values()) > 0.5
    for name, values in net.state_dict().items():
        assert torch.equal(values, before[name])
    with torch.no_grad():
        assert_same(found.network(image(2)), net(image(2)))


def test_halves_of_a_ghost_module_are_among_them():
    """Catches an equalization that stops at concats or at depthwise filters."""
    names = equalize(network(GhostNet), [image()]).factors
    for half in ("primary_conv.0", "cheap_operation.0"):
        assert f"blocks.3.0.ghost1.{half}.weight" in names
    # What is added to the shortcut keeps its scale.
    assert "blocks.4.0.ghost2.cheap_operation.0.weight" not in names
    assert "blocks.4.0.ghost2.primary_conv.0.weight" not in names


class Halves(nn.Module):
    """A Ghost module and its reader, with one channel that dwarfs the others."""

    def __init__(self):
        super().__init__()
        self.primary = nn.Conv2d(3, 4, 1)
        self.cheap = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.last = nn.Conv2d(8, 2, 1)

    def joined(self, x):
        primary = self.primary(x).relu()
        return torch.cat((primary, self.cheap(primary).relu()), 1)

    def forward(self, x):
        return self.last(self.joined(x))


def test_ranges_come_together():
    """Catches factors that are turned upside down."""
    torch.manual_seed(0)
    net = Halves()
    with torch.no_grad():
        # No channel is almost dead: those keep their range.
        net.primary.bias += 1
        net.cheap.bias += 2
        net.cheap.weight[1] *= 50
        net.cheap.bias[1] *= 50
    picture = image(size=(8, 8))

    def spread(net):
        peaks = net.joined(picture).detach().amax((0, 2, 3))
        peaks = peaks[peaks > 0]
        return float(peaks.max() / peaks.min())

    spreads = [spread(equalize(net, [picture], s).network) for s in (0.0, 0.5, 1.0)]
    assert spreads[0] == pytest.approx(spread(net))
    assert spreads[2] < spreads[1] < spreads[0]
    assert spreads[2] == pytest.approx(1.0, abs=0.05)


class Shared(Halves):
    """The same convolution reads two maps."""

    def forward(self, x):
        first = self.joined(x)
        return self.last(first) + self.last(2 * first)


class SharedParameter(nn.Module):
    """Two convolutions with one weight, as heads of several levels have."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)
        self.second = nn.Conv2d(3, 3, 1)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x).relu())


class Sigmoid(Halves):
    """What is between is not homogeneous."""

    def forward(self, x):
        return self.last(self.joined(x).sigmoid())


class Grouped(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1)
        self.second = nn.Conv2d(4, 4, 1, groups=2)

    def forward(self, x):
        return self.second(self.first(x).relu())


@pytest.mark.parametrize("kind", [Shared, SharedParameter, Sigmoid, Grouped])
def test_what_cannot_be_undone_is_left(kind):
    torch.manual_seed(0)
    net = kind()
    picture = image(size=(8, 8))
    found = equalize(net, [picture])
    assert not [name for name in found.factors if not name.startswith("primary")]
    with torch.no_grad():
        assert_same([found.network(picture)], [net(picture)])


class Multiplied(nn.Module):
    """Two filters for each channel, then a trim, as V1 with another ratio."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1)
        self.second = nn.Conv2d(4, 8, 3, padding=1, groups=4)
        self.last = nn.Conv2d(10, 2, 1)

    def forward(self, x):
        first = self.first(x).relu()
        joined = torch.cat((first, self.second(first).relu()), 1)[:, 1:11]
        return self.last(joined)


def test_several_filters_of_a_channel_and_a_trim():
    torch.manual_seed(0)
    net = Multiplied()
    found = equalize(net, [image(size=(8, 8))])
    assert sorted(found.factors) == ["first.weight", "second.weight"]
    with torch.no_grad():
        other = image(3, size=(8, 8))
        assert_same([found.network(other)], [net(other)])


def test_wrong_arguments():
    with pytest.raises(ValueError, match="strength=2"):
        equalize(Halves(), [image()], 2)
    with pytest.raises(ValueError, match="no image"):
        equalize(Halves(), [])
