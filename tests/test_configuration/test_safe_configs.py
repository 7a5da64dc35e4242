"""Configs and checkpoints from strangers: read as data, whatever they name."""

import pytest
import torch
from mmengine.config import Config
from support.running_tools import TINY, run_here

from ghostnet_mm.configuration.files import safe_reading
from ghostnet_mm.configuration.files.foreign_parts import refuse_foreign_parts
from ghostnet_mm.configuration.files.safe_reading import read_without_running
from ghostnet_mm.errors import OptionError
from ghostnet_mm.shipped_configs import shipped_config, shipped_names

MODEL = 'model = dict(type="RetinaNet")\n'


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_config_is_what_mmengine_makes_of_it(name):
    path = shipped_config(name)
    expected = Config.fromfile(str(path), import_custom_modules=False)
    assert read_without_running(path).to_dict() == expected.to_dict()


def test_bases_names_and_templates_are_followed(tmp_path, monkeypatch):
    (tmp_path / "base.py").write_text(
        "side = 320\nmodel = dict(type='RetinaNet', neck=dict(type='FPN', a=1, b=2))\n"
    )
    (tmp_path / "other.json").write_text('{"seed": 3}')
    (tmp_path / "own.py").write_text(
        '"""A config."""\n_base_ = ["base.py", "other.json"]\n'
        'root = "{{$ROOT_OF_TEST:here}}/" + "x"\n'
        "size = (_base_.side, _base_.model.neck.b * 2)\n"
        "steps = [step * -2 for step in range(1, 4)]\n"
        "model = dict(neck=dict(a=5), head=dict(_delete_=True, type='RetinaHead'))\n"
    )
    for value in (None, "there"):
        if value:
            monkeypatch.setenv("ROOT_OF_TEST", value)
        read = read_without_running(tmp_path / "own.py").to_dict()
        assert read == Config.fromfile(str(tmp_path / "own.py")).to_dict()
        assert read["root"] == f"{value or 'here'}/x"


HOSTILE = {
    "an import": "import os\n",
    "a call": "x = open('ran', 'w')\n",
    "a call in a list": "x = [i for i in [1] if open('ran', 'w')]\n",
    "an attribute": "x = ().__class__.__mro__\n",
    "a builtin name": "x = dict(type=exec)\n",
    "a format": "x = '{0.__class__}'.format(1)\n",
    "a lambda": "x = (lambda: 1)()\n",
    "an f-string": 'x = f\'{open("ran", "w")}\'\n',
    "a template": 'x = {{\'$NOPE:open("ran","w")\'}}\n',
    "an unpacking": "x = dict(**open('ran', 'w'))\n",
    "a base by a call": "_base_ = [open('ran', 'w').name]\n",
    "a base of a stranger": "_base_ = 'antigravity::x.py'\n",
    "a base above": "_base_ = 'mmdet::../../../x.py'\n",
    "a function's name": "x = dict(type='os.system', command='touch ran')\n",
    "a process": "x = [[dict(type='subprocess.Popen', args=['touch', 'ran'])]]\n",
    "a loader": "x = dict(type='mmengine.load', file='x.pkl')\n",
    "a loader of torch": "x = dict(type='torch.hub.load', repo_or_dir='.')\n",
    "a constructor": "x = dict(constructor='os.system')\n",
    "a scope": "x = dict(_scope_='antigravity', type='X')\n",
    "a scope in a name": "x = dict(type='antigravity.X')\n",
    "a module": "x = dict(type='antigravity')\n",
    "a file beside": "x = dict(type='ran')\n",
    "an import to make": "custom_imports = dict(imports=['antigravity'])\n",
    "a pickle": "x = dict(proposal_file='found.PKL')\n",
    "a large number": "x = 9e20 * 9e20 * 9e20\n",
    "a large list": "x = [0 for i in range(10 ** 9)]\n",
    "many items": "x = list(range(99999999))\n",
    "a long text": "x = 'a' * 10000000\n",
    "itself": "_base_ = 'own.py'\n",
    "text in another encoding": "x = 'é'\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_could_run_code_or_fill_the_memory_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.py"
    if kind == "a file beside":  # as a notebook would import it
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "ran.py").touch()
    encoding = "latin-1" if kind.endswith("encoding") else "utf-8"
    path.write_text(MODEL + HOSTILE[kind], encoding=encoding)
    with pytest.raises(OptionError, match=r"own\.py"):
        read_without_running(path)
    assert not (tmp_path / "ran").exists()


def test_yaml_makes_no_objects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.yaml"
    path.write_text('x: !!python/object/apply:os.system ["touch ran"]\n')
    done = run_here("train", path, "--safe-config", cwd=tmp_path)
    assert done.returncode == 2
    assert "own.yaml" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name",
    [
        "RetinaNet",
        "mmdet.RetinaNet",
        "mmdet.models.RetinaNet",
        "mmdet.models.detectors.retinanet.RetinaNet",
        "torch.optim.SGD",
        "torch.nn.BatchNorm2d",
        "mmengine.optim.OptimWrapper",
        "ghostnet_mm.backbones.GhostNet",
    ],
)
def test_registered_parts_may_go_by_any_of_their_names(name):
    refuse_foreign_parts({"model": [{"type": name}]}, "it")


def test_the_program_runs_no_config_with_the_flag(tmp_path):
    evil = tmp_path / "evil.py"
    evil.write_text(f"{MODEL}open('ran', 'w')\n")
    for command in ("train", "print_complexity"):
        done = run_here(command, evil, "--safe-config", cwd=tmp_path)
        assert done.returncode == 2
        assert "line 2 is not a plain assignment" in done.stderr
    assert not (tmp_path / "ran").exists()
    assert not safe_reading.is_wanted()
    done = run_here(
        "print_complexity", "gfl_ghostnet-nano_coco", "--safe-config", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_a_checkpoint_whose_config_names_a_function_is_refused(tmp_path, monkeypatch):
    """The file holds tensors and text only; building its model would call the name."""
    monkeypatch.chdir(tmp_path)
    text = Config.fromfile(str(TINY)).pretty_text
    assert "type='RetinaNet'" in text
    evil = text.replace("type='RetinaNet'", "command='touch ran', type='os.system'")
    weights = {"backbone.conv_stem.weight": torch.zeros(8, 3, 3, 3)}
    torch.save({"state_dict": weights, "meta": {"cfg": evil}}, tmp_path / "evil.pth")
    done = run_here("detect", tmp_path, "--checkpoint", "evil.pth", cwd=tmp_path)
    assert done.returncode == 2
    assert "names 'os.system' as type" in done.stderr
    assert not (tmp_path / "ran").exists()
