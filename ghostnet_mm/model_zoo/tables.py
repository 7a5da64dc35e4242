"""The model zoo's Markdown tables, kept between markers of the documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DataError
from .metafile import Metafile

BEGIN = "<!-- model zoo: begin -->"
END = "<!-- model zoo: end -->"
README = "README.md"
LONG = "docs/model_zoo.md"
NOT_MEASURED = "-"


def documents(metafile: Metafile, root: str | Path) -> dict[str, str]:
    """Return the text that each document with a table should have.

    Raises:
        DataError: A document lacks its markers.
    """
    featured = [one for one in metafile.models if one["Metadata"].get("Featured")]
    bodies = {
        README: "\n".join(_table(featured, short=True)),
        LONG: "\n".join(_sections(metafile)),
    }
    texts = {}
    for name, body in bodies.items():
        text = (Path(root) / name).read_text(encoding="utf-8")
        if text.count(BEGIN) != 1 or text.count(END) != 1:
            raise DataError(f"{name} needs one {BEGIN} and one {END}.")
        before, rest = text.split(BEGIN)
        after = rest.split(END)[1]
        texts[name] = f"{before}{BEGIN}\n{body}\n{END}{after}"
    return texts


def is_stale(metafile: Metafile, root: str | Path) -> list[str]:
    """Return the documents whose table differs from the metafile."""
    return [
        name
        for name, text in documents(metafile, root).items()
        if (Path(root) / name).read_text(encoding="utf-8") != text
    ]


def refresh(metafile: Metafile, root: str | Path) -> list[str]:
    """Rewrite the stale tables and return the names of their documents."""
    stale = is_stale(metafile, root)
    texts = documents(metafile, root)
    for name in stale:
        (Path(root) / name).write_text(texts[name], encoding="utf-8")
    return stale


def _sections(metafile: Metafile) -> Iterator[str]:
    tasks = dict.fromkeys(one["In Collection"] for one in metafile.models)
    for task in tasks:
        entries = [one for one in metafile.models if one["In Collection"] == task]
        yield f"\n## {task}\n"
        yield from _table(entries, short=False)
    if metafile.machine:
        yield f"\nLatencies: {metafile.machine}."


def _table(entries: list[dict[str, Any]], short: bool) -> Iterator[str]:
    recipe = "" if short else " recipe |"
    yield (
        f"| config | backbone |{recipe} input | params (M) | GMACs | CPU (ms) "
        f"| published |"
    )
    yield f"|---|---|{'' if short else '---|'}---|---:|---:|---:|---|"
    for entry in entries:
        facts = entry["Metadata"]
        middle = "" if short else f" {facts['Recipe']} |"
        height, width = facts["Input Size"]
        file = Path(entry["Config"]).name
        link = entry["Config"] if short else f"../{entry['Config']}"
        yield (
            f"| [`{file}`]({link}) | {facts['Backbone']} |{middle} {height} x {width} "
            f"| {_number(facts.get('Parameters'), 1e6, 2)} "
            f"| {_number(facts.get('MACs'), 1e9, 3)} "
            f"| {_number(facts.get('CPU Latency (ms)'), 1, 1)} "
            f"| {_published(entry)} |"
        )


def _number(value: float | None, unit: float, digits: int) -> str:
    return NOT_MEASURED if value is None else f"{value / unit:.{digits}f}"


def _published(entry: dict[str, Any]) -> str:
    shown = [
        f"{value} {metric} ({result['Source']})"
        for result in entry.get("Results") or ()
        for metric, value in result["Metrics"].items()
    ]
    return "; ".join(shown) or NOT_MEASURED
