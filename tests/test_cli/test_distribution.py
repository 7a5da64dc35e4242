"""The wheels: all that the program needs, outside any checkout."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from support.running_tools import ROOT

from ghostnet_mm.version import __version__

# What building reads; a copy, so that no build/ appears in the checkout.
SOURCES = ("setup.py", "pyproject.toml", "README.md", "ghostnet_launcher.py")
FOLDERS = ("ghostnet_mm", "configs", "runtime")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for name in SOURCES:
        shutil.copy(ROOT / name, folder / name)
    leftovers = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=leftovers)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run(
        [*pip, "wheel", *offline, "--wheel-dir", "dist", ".", "./runtime"],
        cwd=folder,
        check=True,
        timeout=300,
    )
    return sorted((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def test_there_are_two_of_one_version(wheels):
    assert [wheel.name for wheel in wheels] == [
        f"ghostnet_{part}-{__version__}-py3-none-any.whl" for part in ("mm", "runtime")
    ]


def test_every_module_and_config_is_inside(unpacked):
    for folder in ("ghostnet_mm", "runtime/ghostnet_runtime"):
        source = ROOT / folder
        modules = [path.relative_to(source.parent) for path in source.rglob("*.py")]
        assert len(modules) > 10
        missing = [module for module in modules if not (unpacked / module).is_file()]
        assert missing == []
    for config in [*(ROOT / "configs").rglob("*.py"), ROOT / "configs/metafile.yml"]:
        inside = unpacked / "ghostnet_mm" / ".mim" / config.relative_to(ROOT)
        assert inside.read_bytes() == config.read_bytes()
        assert not inside.is_symlink()


def test_no_requirement_names_what_is_not_published(unpacked):
    (metadata,) = unpacked.glob("ghostnet_mm-*.dist-info/METADATA")
    required = [
        line.partition(": ")[2].lower()
        for line in metadata.read_text().splitlines()
        if line.startswith("Requires-Dist")
    ]
    assert any(line.startswith("torch>=") for line in required)
    assert not [line for line in required if line.startswith("ghostnet")]
    (entries,) = unpacked.glob("ghostnet_mm-*.dist-info/entry_points.txt")
    assert "ghostnet = ghostnet_launcher:main" in entries.read_text()


def run_unpacked(unpacked, cwd, *words):
    return subprocess.run(
        [sys.executable, "-m", "ghostnet_launcher", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_program_runs_from_the_wheels(unpacked, tmp_path):
    listed = run_unpacked(unpacked, tmp_path, "configs", "--names")
    assert listed.returncode == 0, listed.stderr
    names = sorted(path.stem for path in (ROOT / "configs").glob("*.py"))
    assert listed.stdout.split() == names
    name = "gfl_ghostnet-nano_coco"  # builds on a shared part
    counted = run_unpacked(unpacked, tmp_path, "complexity", name)
    assert counted.returncode == 0, counted.stderr
    assert "MACs" in counted.stdout
    copied = run_unpacked(unpacked, tmp_path, "configs", "copy", name)
    assert copied.returncode == 0, copied.stderr
    assert (tmp_path / f"{name}.py").is_file()
