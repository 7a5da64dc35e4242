"""Fixtures and helpers that several test folders share."""

import os
from functools import cache
from pathlib import Path

# Two test processes and their children share the cores; threads would only wait for
# each other. Set before torch is imported anywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import mmengine.config.utils
import pytest
import torch
from mmengine.registry import DefaultScope
from support.random_norms import randomize_norms

# Before any test imports mmdet: it repairs the stack.
import ghostnet_mm  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(name="randomize_norms")
def randomize_norms_fixture():
    return randomize_norms


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def coco_subset() -> Path:
    """The folder of real COCO images; the only tests that may skip are those."""
    default = ROOT.parent / "shared" / "coco_subset"
    folder = Path(os.environ.get("GHOSTNET_MM_COCO_SUBSET", default))
    if not (folder / "annotations" / "instances_val2017.json").is_file():
        pytest.skip("set GHOSTNET_MM_COCO_SUBSET to a folder of COCO images")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _metafiles_are_parsed_once():
    """Spare mmengine a hundred YAML files for every config with an ``mmdet::`` base."""
    with pytest.MonkeyPatch.context() as patch:
        load = mmengine.config.utils.load
        patch.setattr(mmengine.config.utils, "load", cache(load))
        yield


@pytest.fixture(scope="session", autouse=True)
def _all_of_mmdet_is_registered():
    """As every tool does; importing a model registers that one alone."""
    from mmdet.utils import register_all_modules

    register_all_modules()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep clean copies of test data out of the user's cache."""
    os.environ["GHOSTNET_MM_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _default_scope():
    """As every tool does; a Runner of another test leaves its own scope behind."""
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield
