"""The provided module ``mmcv._ext``: found, complete, last in line, clear."""

import importlib
import importlib.util
import subprocess
import sys

import pytest
import torch

from ghostnet_mm.errors import UserError
from ghostnet_mm.openmmlab_compat import UnsupportedOpError, repair_openmmlab
from ghostnet_mm.openmmlab_compat import mmcv_ops as provided

needs_provided_module = pytest.mark.skipif(
    provided.mmcv_ops_are_compiled(), reason="compiled mmcv operators are installed"
)


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@needs_provided_module
def test_mmcv_finds_the_module():
    ext_loader = importlib.import_module("mmcv.utils.ext_loader")
    spec = importlib.util.find_spec("mmcv._ext")

    assert spec.loader is not None
    assert importlib.import_module("mmcv._ext").__spec__.name == "mmcv._ext"
    assert ext_loader.load_ext("_ext", ["nms", "roi_align_forward"]).nms
    if sys.version_info < (3, 14):  # which removed the function mmcv calls
        assert ext_loader.check_ops_exist()


@needs_provided_module
def test_every_op_mmcv_asks_for_exists():
    """Importing mmcv.ops asks for all of them; this names those without a function."""
    ext = importlib.import_module("mmcv._ext")

    assert set(provided.PROVIDED_OPS) <= set(vars(ext))
    assert callable(ext.ms_deform_attn_forward)
    assert not hasattr(ext, "_no_operator")
    assert not hasattr(ext, "__path__")


@needs_provided_module
def test_an_op_that_is_not_provided_complains_when_called():
    from mmcv.ops import box_iou_rotated

    boxes = torch.tensor([[5.0, 5, 4, 4, 0.1]])
    with pytest.raises(UnsupportedOpError) as raised:
        box_iou_rotated(boxes, boxes)

    message = str(raised.value)
    assert "'box_iou_rotated'" in message
    assert "onedl-mmcv" in message
    assert message.count(". ") == 0
    assert isinstance(raised.value, UserError)


def test_repairing_twice_changes_nothing():
    """Catches a second finder for mmcv's operators, and for panopticapi."""
    repair_openmmlab()
    finders = list(sys.meta_path)
    repair_openmmlab()

    assert sys.meta_path == finders


@needs_provided_module
def test_mmcv_reports_its_environment():
    from mmcv.utils import collect_env

    assert "not compiled" in collect_env()["MMCV Compiler"]


@needs_provided_module
def test_without_the_repair_mmcv_ops_cannot_be_imported():
    """The day this fails, the repair can go."""
    result = run_python("import mmcv.ops")

    assert "No module named 'mmcv._ext'" in result.stderr


def test_mmdet_can_be_imported_in_a_fresh_process():
    result = run_python(
        "import ghostnet_mm\n"
        "from mmdet.utils import register_all_modules\n"
        "register_all_modules()\n"
        "from mmdet.registry import MODELS\n"
        "print(MODELS.get('RetinaNet').__name__)\n"
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "RetinaNet"


def test_an_installed_extension_goes_first(tmp_path):
    """A stand-in for a compiled module: a file of its name beside mmcv's files."""
    (tmp_path / "_ext.py").write_text(
        "def __getattr__(name): return lambda: 'compiled'"
    )

    result = run_python(
        "import sys, mmcv\n"
        "mmcv.__path__.insert(0, sys.argv[1])\n"
        "from ghostnet_mm.openmmlab_compat import mmcv_ops\n"
        "from mmcv._ext import nms\n"
        "print(nms(), mmcv_ops.mmcv_ops_are_compiled())\n",
        str(tmp_path),
    )

    assert result.stdout.strip() == "compiled True", result.stderr
