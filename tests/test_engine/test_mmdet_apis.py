"""Notebooks: mmdet's own functions work on our checkpoints, with the right classes."""

import os
import subprocess
import sys

import pytest
from mmdet.apis import DetInferencer, inference_detector, init_detector
from support.running_tools import TINY, run_here
from support.tiny_coco import CLASSES, make_tiny_coco

from ghostnet_mm.engine.inference.detection import load_detector

CHECKPOINT = "work_dirs/tiny_detector/epoch_1.pth"
STORED = "work_dirs/tiny_detector/tiny_detector.py"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    make_tiny_coco(folder / "data")
    quick = ("train_cfg.max_epochs=1", "default_hooks.checkpoint.interval=1")
    arguments = (TINY, "--data-root", "data", "--backbone-weights", "none")
    done = run_here("train", *arguments, "--cfg-options", *quick, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def ours(trained):
    """What our own detector finds on a picture."""
    detector = load_detector(trained / CHECKPOINT, device="cpu")
    picture = str(trained / "data" / "val2017" / "0000.png")
    return picture, inference_detector(detector.model, picture).pred_instances


def test_init_detector(trained, ours):
    picture, expected = ours
    model = init_detector(
        str(trained / STORED), str(trained / CHECKPOINT), device="cpu"
    )
    assert model.dataset_meta["classes"] == CLASSES
    found = inference_detector(model, picture).pred_instances
    assert found.bboxes.equal(expected.bboxes)
    assert found.labels.equal(expected.labels)


@pytest.mark.parametrize("model", [None, STORED])
def test_det_inferencer(model, trained, ours):
    picture, expected = ours
    inferencer = DetInferencer(
        model and str(trained / model), str(trained / CHECKPOINT), device="cpu"
    )
    assert inferencer.model.dataset_meta["classes"] == CLASSES
    found = inferencer(picture, no_save_vis=True)["predictions"][0]
    assert found["labels"] == expected.labels.tolist()
    assert found["scores"] == pytest.approx(expected.scores.tolist())


def python(code, cwd):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_import_may_come_after_one_of_mmdet_that_failed(trained):
    done = python(
        "import contextlib\n"
        "with contextlib.suppress(ImportError):\n"
        "    from mmdet.apis import DetInferencer\n"
        "import ghostnet_mm\n"
        "from mmdet.apis import DetInferencer\n"
        f"inferencer = DetInferencer(weights={CHECKPOINT!r}, device='cpu')\n"
        "print(inferencer.model.dataset_meta['classes'])\n",
        trained,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(CLASSES)


def test_without_the_package_the_message_names_it(trained):
    # As with a compiled mmcv, which needs no repair: mmdet's apis import, and only the
    # checkpoint calls for the package.
    done = python(
        "import sys, ghostnet_mm\n"
        "from mmdet.apis import DetInferencer\n"
        "for name in [one for one in sys.modules if one.startswith('ghostnet_mm')]:\n"
        "    sys.modules[name] = None\n"
        f"DetInferencer(weights={CHECKPOINT!r}, device='cpu')\n",
        trained,
    )
    assert done.returncode != 0
    last = done.stderr.partition("ImportError: Failed to import custom modules")[2]
    assert "'imports': ['ghostnet_mm']" in last
