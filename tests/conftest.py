"""Fixtures and helpers that several test folders share."""

import os
from pathlib import Path

# Two test processes and their children share the cores; threads would only wait for
# each other. Set before torch is imported anywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

# Before any test imports mmdet: it repairs the stack.
import ghostnet_mm  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent


def randomise_norms(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give every batch norm statistics and weights that a wrong fusion cannot miss."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.3, generator=generator)
    return model


@pytest.fixture(name="randomise_norms")
def randomise_norms_fixture():
    return randomise_norms


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


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
