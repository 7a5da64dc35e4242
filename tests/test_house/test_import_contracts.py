"""Every import contract of pyproject.toml holds, and fails when it is broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.api import read_configuration

# Contract, the module that is changed, what it is made to import, what is then named.
BREAKS = [
    pytest.param(
        "layers",
        "layers/squeeze_excite.py",
        "from ghostnet_mm.engine import run",
        "ghostnet_mm.layers.squeeze_excite -> ghostnet_mm.engine.run",
        id="layers",
    ),
    pytest.param(
        "layers",
        "necks/light_fpn.py",
        "def later():\n    from ghostnet_mm.dense_heads import separable_towers",
        "ghostnet_mm.necks.light_fpn -> ghostnet_mm.dense_heads.separable_towers",
        id="layers-siblings-inside-a-function",
    ),
    pytest.param(
        "layers",
        "a_new_room.py",
        "import math",
        "a_new_room",
        id="layers-exhaustive",
    ),
    pytest.param(
        "export",
        "export/graph/resizing.py",
        "from ghostnet_mm.export.formats import libraries",
        "ghostnet_mm.export.graph.resizing -> ghostnet_mm.export.formats.libraries",
        id="export",
    ),
    pytest.param(
        "circles",
        "layers/ghost_module.py",
        "from . import ghost_bottleneck",
        "No cycles are allowed in ghostnet_mm.layers",
        id="circles",
    ),
    pytest.param(
        "runtime",
        "../runtime/ghostnet_runtime/errors.py",
        "from ghostnet_mm.version import __version__",
        "ghostnet_runtime.errors -> ghostnet_mm.version",
        id="runtime",
    ),
    pytest.param(
        "runtime",
        "../runtime/ghostnet_runtime/drawing.py",
        "import torch",
        "ghostnet_runtime.drawing -> torch",
        id="runtime-torch",
    ),
    pytest.param(
        "repairs",
        "checkpoints/safe_loading.py",
        "from ghostnet_mm import backbones",
        "ghostnet_mm.checkpoints.safe_loading -> ghostnet_mm.backbones",
        id="repairs",
    ),
    pytest.param(
        "timm",
        "backbones/ghostnet.py",
        "import timm",
        "ghostnet_mm.backbones.ghostnet -> timm",
        id="timm",
    ),
]


def copy_sources(source: Path, target: Path) -> Path:
    for package in ("ghostnet_mm", "runtime/ghostnet_runtime"):
        shutil.copytree(
            source / package,
            target / package,
            ignore=lambda folder, names: [
                name
                for name in names
                if not name.endswith(".py") and not (Path(folder) / name).is_dir()
            ],
        )
    shutil.copy(source / "pyproject.toml", target)
    return target


def lint(folder: Path, contract: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
            "--no-logo",
            f"--contract={contract}",
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), "runtime"])},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize(("contract", "module", "imports", "named"), BREAKS)
def test_a_broken_contract_fails(
    project_root, tmp_path, contract, module, imports, named
):
    folder = copy_sources(project_root, tmp_path)
    intact = lint(folder, contract)
    assert intact.returncode == 0, intact.stdout + intact.stderr

    with (folder / "ghostnet_mm" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{imports}\n")
    broken = lint(folder, contract)

    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert named in broken.stdout


def test_every_contract_is_broken_once(project_root):
    contracts = read_configuration(str(project_root / "pyproject.toml"))
    assert {options["id"] for options in contracts["contracts_options"]} == {
        case.values[0] for case in BREAKS
    }
