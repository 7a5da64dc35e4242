"""Reading, checking and writing ``configs/metafile.yml``.

The file follows OpenMMLab's model-index layout: ``Models`` with ``Name``, ``In
Collection``, ``Config``, ``Metadata`` and ``Results``. Of the metadata, ``Parameters``,
``MACs`` and ``CPU Latency (ms)`` are written by tools/build_model_zoo.py; the rest, and
the published results with their ``Source``, by hand.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ghostnet_runtime.atomic_writing import write_text

from ..errors import DataError

HEADER = """\
# One entry per config. Parameters, MACs and latencies are written by
#   python tools/build_model_zoo.py --measure --latency
# and the tables of README.md and docs/model_zoo.md are made from this file.
"""
METAFILE = Path("configs") / "metafile.yml"
FACTS = ("Backbone", "Recipe", "Input Size")
REQUIRED = ("Name", "In Collection", "Config", "Metadata")


@dataclass
class Metafile:
    """The entries of the model zoo.

    Attributes:
        models: The entries, as the file has them.
        machine: What the latencies were measured on; None where there are none.
    """

    models: list[dict[str, Any]]
    machine: str | None = None

    def entry(self, config: str) -> dict[str, Any] | None:
        """Return the entry of a config file, if it has one."""
        return next((model for model in self.models if model["Config"] == config), None)


def read_metafile(root: str | Path) -> Metafile:
    """Read the metafile of a checkout.

    Args:
        root: The project's folder.

    Raises:
        DataError: The file is missing or an entry is incomplete.
    """
    path = Path(root) / METAFILE
    if not path.is_file():
        raise DataError(f"{path} does not exist; run this in the project's folder.")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in content["Models"]:
        missing = [key for key in REQUIRED if key not in entry]
        missing += [key for key in FACTS if key not in entry.get("Metadata", {})]
        if missing:
            raise DataError(
                f"The entry {entry.get('Name', '?')} of {path} has no "
                f"{', '.join(missing)}; add it."
            )
    return Metafile(content["Models"], content.get("Machine"))


def write_metafile(metafile: Metafile, root: str | Path) -> None:
    """Write the metafile of a checkout."""
    content: dict[str, Any] = {}
    if metafile.machine is not None:
        content["Machine"] = metafile.machine
    content["Models"] = metafile.models
    text = yaml.safe_dump(content, sort_keys=False, width=88, allow_unicode=True)
    write_text(Path(root) / METAFILE, HEADER + text)


def configs_without_entry(metafile: Metafile, root: str | Path) -> list[str]:
    """Return the config files that have no entry, and entries that have no file."""
    files = {f"configs/{file.name}" for file in (Path(root) / "configs").glob("*.py")}
    entries = {model["Config"] for model in metafile.models}
    return sorted(files ^ entries)
