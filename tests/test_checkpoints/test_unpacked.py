"""What is left of a checkpoint after an archiver, or a browser, has unpacked it."""

import re
import zipfile

import pytest
import torch
from support.running_tools import TINY, run_here

from ghostnet_mm.checkpoints import load_checkpoint_file, read_weights
from ghostnet_mm.checkpoints.unpacked import refuse_unpacked
from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.errors import CheckpointError

UNPACKED = "is an unpacked checkpoint; give the file itself"


@pytest.fixture(params=["archive", ""])
def unpacked(request, tmp_path):
    """A real checkpoint's parts, in the folder it names itself or bare."""
    file = tmp_path / "ghost.pth.tar"
    torch.save(dict(state_dict=dict(weight=torch.rand(3))), file)
    target = tmp_path / "ghost"
    with zipfile.ZipFile(file) as archive:
        top = archive.namelist()[0].partition("/")[0]
        archive.extractall(target)
    if not request.param:
        for entry in (target / top).iterdir():
            entry.rename(target / entry.name)
        (target / top).rmdir()
    return target


def parts_of(unpacked):
    (pickle,) = unpacked.rglob("data.pkl")
    return sorted({unpacked, pickle.parent, pickle})


def test_whatever_part_is_given(unpacked):
    for path in parts_of(unpacked):
        for read in (load_checkpoint_file, read_weights):
            with pytest.raises(CheckpointError, match=re.escape(f"{path} {UNPACKED}")):
                read(path)


def test_the_tools_say_so_before_they_say_missing(unpacked, tmp_path):
    for path in parts_of(unpacked):
        for asked in (dict(backbone_weights=str(path)), dict(resume=str(path))):
            with pytest.raises(CheckpointError, match=UNPACKED):
                load_config(TINY, Options(**asked))
    done = run_here("test", TINY, unpacked, cwd=tmp_path)
    assert done.returncode == 2
    assert UNPACKED in done.stderr


def test_other_folders_and_files_are_not_meant(tmp_path):
    """Catches a work dir, or any file called data.pkl, taken for a checkpoint."""
    (tmp_path / "data.pkl").write_bytes(b"rows")
    (tmp_path / "run" / "vis_data").mkdir(parents=True)
    torch.save(dict(weight=torch.rand(3)), tmp_path / "run" / "epoch_1.pth")
    for path in (tmp_path / "data.pkl", tmp_path / "run", tmp_path / "run/epoch_1.pth"):
        refuse_unpacked(path)
    refuse_unpacked(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="is a folder, not a checkpoint"):
        load_checkpoint_file(tmp_path / "run")
