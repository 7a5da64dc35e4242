import pytest

from ghostnet_mm.configuration.files.reading import read_config
from ghostnet_mm.configuration.files.text import config_from_text
from ghostnet_mm.errors import OptionError


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model = dict(", "not valid Python"),
        ("_base_ = './none.py'", "none.py"),
        ("_base_ = 'mmdet::retinanet/none.py'", "none.py"),
        ("_base_ = 'nopackage::none.py'", "mmdet::"),
        (
            "custom_imports = dict(imports=['nomodule'])\nmodel = dict(type='A')",
            "nomod",
        ),
        ("model = dict(type=name)", "name"),
        ("model = 1", "describes no detector"),
        ("model = dict(backbone=1)", "describes no detector"),
        ("data_root = '{{$GHOSTNET_MM_NOT_SET:}}'", "GHOSTNET_MM_NOT_SET"),
    ],
)
def test_mistakes_in_a_config_are_one_sentence(tmp_path, text, says):
    config = tmp_path / "mine.py"
    config.write_text(text)
    with pytest.raises(OptionError) as caught:
        read_config(config)
    assert says in str(caught.value)
    assert "mine.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_name_brings_the_right_one(tmp_path):
    (tmp_path / "retinanet_ghostnet_coco.py").write_text("")
    with pytest.raises(OptionError, match=r"did you mean .*retinanet_ghostnet_coco.py"):
        read_config(tmp_path / "retinanet_gostnet_coco.py")
    with pytest.raises(OptionError, match="check the path"):
        read_config(tmp_path / "zzz.py")


@pytest.mark.parametrize("name", [".", "weights.pth"])
def test_what_is_no_config(tmp_path, name):
    (tmp_path / "weights.pth").write_bytes(b"")
    with pytest.raises(OptionError, match="not a config"):
        read_config(tmp_path / name)


def test_text_that_mmengine_wrote_reads_back(tiny):
    cfg = read_config(tiny)
    assert config_from_text(cfg.pretty_text) == cfg.to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "model = __import__('os').system('touch ran')",
        "model = dict(type=open('ran', 'w'))",
        "model = [x for x in (1, 2)]",
        "model = dict(**{'type': 'A'})",
        "a, b = 1, 2",
        "model.type = 'A'",
        "if True:\n    model = 1",
        "model = (",
        "model = f'{1}'",
    ],
)
def test_text_with_code_is_not_run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="stored config"):
        config_from_text(text)
    assert not (tmp_path / "ran").exists()


def test_plain_values_of_every_kind():
    text = (
        "a = dict(b=-1, c=[1.5, (2, None)], d=dict({'e.f': True}))\n"
        "g = {'h': 'text', 1: -0.5}\n"
    )
    assert config_from_text(text) == {
        "a": {"b": -1, "c": [1.5, (2, None)], "d": {"e.f": True}},
        "g": {"h": "text", 1: -0.5},
    }
