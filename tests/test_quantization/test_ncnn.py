"""ncnn's files: what is read of them, and the INT8 that is written into them."""

import numpy as np
import pytest
import torch
from support.descriptions import described
from torch import nn

from ghostnet_mm.errors import OptionError
from ghostnet_mm.export.exported_models import open_exported
from ghostnet_mm.export.formats.base import ExportJob
from ghostnet_mm.export.formats.ncnn import NcnnFormat
from ghostnet_mm.export.graph.exportable_graph import ExportableGraph
from ghostnet_mm.export.model_files import copy_model
from ghostnet_mm.quantization.runtimes.ncnn_files import (
    ConvKey,
    conv_weights,
    read_layers,
    write_layers,
)
from ghostnet_mm.quantization.runtimes.ncnn_quantizer import NcnnQuantizer

pytest.importorskip("ncnn")
pytest.importorskip("pnnx")

SIZE = (24, 20)
DESCRIPTION = described(
    classes=("0", "1", "2", "3"),
    input=dict(height=24, width=20),
    resize=dict(scale=(20, 24)),
)


class Tiny(ExportableGraph):
    """All kinds of convolutions, one of them used twice, two alike; odd numbers."""

    output_names = ("boxes", "scores")

    def __init__(self):
        super().__init__()
        self.network = nn.ModuleDict(
            dict(
                stem=nn.Conv2d(3, 6, 3, stride=2, padding=1),
                depthwise=nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False),
                dense=nn.Conv2d(6, 6, 3, padding=1),
                alike=nn.Conv2d(6, 6, 3, padding=1),
                grouped=nn.Conv2d(6, 6, 1, groups=2),
                norm=nn.GroupNorm(2, 6),
                shared=nn.Conv2d(6, 4, 1),
                gate=nn.Linear(6, 4),
            )
        )
        self.register_buffer("offsets", torch.rand(120, 4))
        self.register_buffer("project", torch.rand(4, 1))

    def forward(self, image):
        net = self.network
        first = net["stem"](image).relu()
        second = net["alike"](net["dense"](net["depthwise"](first)))
        second = net["norm"](net["grouped"](second))
        maps = [
            net["shared"](level).flatten(2).transpose(1, 2) for level in (first, second)
        ]
        scores = maps[0].softmax(-1)
        gate = net["gate"](first.mean((2, 3))).unsqueeze(1)
        boxes = maps[1] + gate + self.offsets + scores @ self.project
        return {"boxes": boxes, "scores": scores}


def pictures(count=3):
    generator = np.random.default_rng(0)
    return [generator.random((1, 3, *SIZE), dtype=np.float32) for _ in range(count)]


@pytest.fixture(scope="module", name="files")
def files_fixture(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("float")
    model = Tiny().eval()
    with torch.no_grad():
        # Nothing comes out of this channel.
        model.network["depthwise"].weight[3] = 0
    example = torch.from_numpy(pictures()[0])
    torch.onnx.export(model, (example,), folder / "a.onnx", dynamo=True, verbose=False)
    NcnnFormat().write(ExportJob(model, DESCRIPTION, folder / "a.ncnn.param"))
    return model, folder / "a.ncnn.param", folder / "a.onnx"


@pytest.fixture(scope="module", name="quantizer")
def quantizer_fixture(files):
    return NcnnQuantizer(files[2], pictures())


def convolutions(path):
    return [
        layer for layer in read_layers(path) if layer.kind.startswith("Convolution")
    ]


def test_files_are_written_as_they_were_read(files, tmp_path):
    """Catches weights that are given to the wrong layer, and parameters lost."""
    layers = read_layers(files[1])
    kinds = {"MemoryData", "ConvolutionDepthWise", "Gemm", "GroupNorm", "InnerProduct"}
    assert kinds <= {layer.kind for layer in layers}
    copy = tmp_path / "b.ncnn.param"
    write_layers(files[1], layers, copy)
    for suffix in (".param", ".bin"):
        same = files[1].with_suffix(suffix).read_bytes()
        assert copy.with_suffix(suffix).read_bytes() == same
    stem = conv_weights(convolutions(files[1])[0])
    expected = files[0].network["stem"]
    np.testing.assert_array_equal(stem.weight, expected.weight.detach())
    np.testing.assert_array_equal(stem.bias, expected.bias.detach())


def test_unknown_weights_are_refused(files, tmp_path):
    copy = tmp_path / "b.ncnn.param"
    write_layers(files[1], read_layers(files[1]), copy)
    copy.write_text(copy.read_text().replace("MemoryData", "Mystery"))
    with pytest.raises(OptionError, match="not known here"):
        read_layers(copy)
    write_layers(files[1], read_layers(files[1])[:-1], copy)
    copy.with_suffix(".bin").write_bytes(copy.with_suffix(".bin").read_bytes()[:-40])
    with pytest.raises(OptionError, match=r"b\.ncnn\.bin is incomplete"):
        read_layers(copy)


def test_outputs_stay_near(files, quantizer, tmp_path):
    """Catches scales that are inverted, of another channel or of another input."""
    path = quantizer.write_int8(tmp_path / "b.ncnn.param")
    exact, small = (open_exported(file, threads=1) for file in (files[1], path))
    assert small.description == exact.description
    for picture in pictures(5):
        first, second = exact.run(picture), small.run(picture)
        for name in first:
            spread = first[name].std()
            gap = np.abs(first[name] - second[name])
            assert 0 < gap.mean() < 0.03 * spread
            assert gap.max() < 0.2 * spread


def test_weights_have_a_scale_per_channel(files, quantizer, tmp_path):
    path = quantizer.write_int8(tmp_path / "b.ncnn.param")
    before_and_after = list(
        zip(convolutions(files[1]), convolutions(path), strict=True)
    )
    grouped = [both for both in before_and_after if both[0].number(ConvKey.GROUPS) == 2]
    # ncnn's packed kernels of such groups compute something else.
    assert [before == after for before, after in grouped] == [True]
    assert len(before_and_after) == 7
    for before, layer in before_and_after:
        if layer.number(ConvKey.GROUPS) == 2:
            continue
        assert layer.number(ConvKey.INT8_SCALES) == 1
        known = conv_weights(before)
        stored = np.frombuffer(layer.stored[4:], np.int8)[: known.weight.size]
        tail = np.frombuffer(layer.stored[4 + len(stored) + -len(stored) % 4 :], "<f4")
        np.testing.assert_array_equal(tail[: len(known.bias)], known.bias)
        scales = tail[len(known.bias) : -1]
        assert len(scales) == len(known.weight)
        back = stored.reshape(known.weight.shape) / scales[:, None, None, None]
        # ncnn transforms the kernels of the dense one: it has six bits for them.
        limit = 31 if known.weight.shape == (6, 6, 3, 3) else 127
        step = np.abs(known.weight).max((1, 2, 3), keepdims=True) / limit
        assert (np.abs(back - known.weight) <= 0.501 * step + 1e-9).all()
        assert np.abs(stored).max() == limit


def test_named_layers_stay_in_float(files, quantizer, tmp_path):
    """Catches names that fit other layers: pnnx renames all of them."""
    names = [layer.name for layer in quantizer.layers]
    assert sorted(names) == ["alike", "dense", "depthwise", "shared", "shared", "stem"]
    # The grouped one is in float anyway.
    spared = {"depthwise", "dense", "shared", "grouped"}
    path = quantizer.write_int8(tmp_path / "b.ncnn.param", spared)
    before = {layer.name: layer for layer in convolutions(files[1])}
    changed = [
        layer.name for layer in convolutions(path) if layer != before[layer.name]
    ]
    weights = [conv_weights(before[name]).weight for name in changed]
    for weight, name in zip(weights, ("stem", "alike"), strict=True):
        expected = files[0].network[name].weight.detach()
        np.testing.assert_array_equal(weight, expected)


def test_percentile_leaves_outliers_out(files, tmp_path):
    """Catches both methods taking the same range."""
    # One value of more than 10,000.
    images = pictures(8)
    images[0][0, 0, 0, 0] = 1000
    quantizer = NcnnQuantizer(files[2], images)
    scales = {}
    for method in ("minmax", "percentile"):
        path = tmp_path / f"{method}.ncnn.param"
        quantizer.write_plain(path, "plain", method)
        scales[method] = np.frombuffer(convolutions(path)[0].stored, "<f4")[-1]
    assert scales["minmax"] == pytest.approx(127 / 1000)
    # All others are below 1, within some of 4,096 steps of 1000.
    assert 127 / 5 * 4 < scales["percentile"] < 127 / 0.9


def test_nothing_to_measure(files, tmp_path):
    """Catches division by a range of 0, and by one whose reciprocal is infinite."""
    for value in (0, 1e-38):
        black = [np.full_like(pictures()[0], value)]
        path = NcnnQuantizer(files[2], black).write_int8(
            tmp_path / "b.ncnn.param", method="percentile"
        )
        scale = np.frombuffer(convolutions(path)[0].stored, "<f4")[-1]
        assert scale == 1
        outputs = open_exported(path, threads=1).run(black[0])
        assert np.isfinite(outputs["boxes"]).all()


def test_impossible_settings(files, quantizer, tmp_path):
    path = tmp_path / "b.ncnn.param"
    with pytest.raises(OptionError, match="entropy is not possible here"):
        quantizer.write_int8(path, method="entropy")
    with pytest.raises(OptionError, match="no layer head to keep"):
        quantizer.write_int8(path, {"head"})
    everything = {layer.name for layer in quantizer.layers}
    with pytest.raises(OptionError, match="nothing to quantize"):
        quantizer.write_int8(path, everything)
    with pytest.raises(OptionError, match="no pictures"):
        NcnnQuantizer(files[2], [])
    nothing = np.full_like(pictures()[0], np.nan)
    broken = NcnnQuantizer(files[2], [nothing])
    with pytest.raises(OptionError, match="not finite"):
        broken.write_int8(path)
    assert not path.exists()


def test_files_that_do_not_belong_together(files, quantizer, tmp_path):
    other, source = Tiny().eval(), tmp_path / "b.onnx"
    image = torch.zeros(1, 3, *SIZE)
    torch.onnx.export(other, (image,), source, dynamo=True, verbose=False)
    copy_model(files[1], source.with_suffix(".ncnn.param"))
    with pytest.raises(OptionError, match="export both from one detector"):
        NcnnQuantizer(source, pictures())
    quantizer.write_int8(source.with_suffix(".ncnn.param"))
    with pytest.raises(OptionError, match="not in single precision"):
        NcnnQuantizer(source, pictures())
