"""What the tests of datasets share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.coco_folders import write_split


@pytest.fixture
def make_coco_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes {split: (ann_file, image_dir[, content])}."""

    def make(**splits: tuple) -> Path:
        for arguments in splits.values():
            write_split(tmp_path, *arguments)
        return tmp_path

    return make
