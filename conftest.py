"""What `pytest --doctest-modules` does with modules that need an optional package."""

from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent / "ghostnet_mm"
NEEDED_BY_ROOM = {
    PACKAGE / "classification": "mmpretrain",
    PACKAGE / "segmentation": "mmseg",
}


class ModuleWithoutItsPackage(pytest.File):
    """A module that cannot be imported here."""

    def collect(self) -> list[pytest.Item]:
        """Skip it and name what is missing."""
        pytest.skip(f"needs {NEEDED_BY_ROOM[self.path.parent]}")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Replace a module whose package is missing by one that is skipped."""
    collectors = yield
    needed = NEEDED_BY_ROOM.get(file_path.parent)
    if needed and find_spec(needed) is None:
        return [ModuleWithoutItsPackage.from_parent(parent, path=file_path)]
    return collectors
