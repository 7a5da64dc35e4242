"""The model zoo's Markdown tables, kept between markers of the documents."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ghostnet_runtime.atomic_writing import write_text

from ..errors import DataError
from ..reporting.tables import Table
from .metafile import Metafile

BEGIN = "<!-- model zoo: begin -->"
END = "<!-- model zoo: end -->"
README = "README.md"
LONG = "docs/model_zoo.md"


def stale_documents(metafile: Metafile, root: str | Path) -> dict[str, str]:
    """Return the text that documents should have whose table differs from the metafile.

    Raises:
        DataError: A document lacks its markers.
    """
    featured = [model for model in metafile.models if model["Metadata"].get("Featured")]
    bodies = {
        README: _table(featured, short=True).markdown(),
        LONG: "\n".join(_sections(metafile)),
    }
    texts = {}
    for name, body in bodies.items():
        text = (Path(root) / name).read_text(encoding="utf-8")
        if text.count(BEGIN) != 1 or text.count(END) != 1:
            raise DataError(f"{name} needs one {BEGIN} and one {END}.")
        before, rest = text.split(BEGIN)
        wanted = f"{before}{BEGIN}\n{body}\n{END}{rest.split(END)[1]}"
        if wanted != text:
            texts[name] = wanted
    return texts


def refresh(metafile: Metafile, root: str | Path) -> list[str]:
    """Rewrite the stale tables and return the names of their documents."""
    stale = stale_documents(metafile, root)
    for name, text in stale.items():
        write_text(Path(root) / name, text)
    return list(stale)


def _sections(metafile: Metafile) -> Iterator[str]:
    for task in dict.fromkeys(model["In Collection"] for model in metafile.models):
        models = [model for model in metafile.models if model["In Collection"] == task]
        yield f"\n## {task}\n\n{_table(models, short=False).markdown()}"
    if metafile.machine:
        yield f"\nLatencies: {metafile.machine}."


def _table(models: Sequence[Mapping[str, Any]], short: bool) -> Table:
    recipe = () if short else ("recipe",)
    columns = (
        *("config", "backbone", *recipe, "input"),
        *("params (M)", "GMACs", "CPU (ms)", "published"),
    )
    texts = {*range(len(columns) - 4), len(columns) - 1}
    return Table.of(columns, [_row(model, short) for model in models], texts)


def _row(model: Mapping[str, Any], short: bool) -> tuple[str | None, ...]:
    recipe = () if short else (model["Metadata"]["Recipe"],)
    link = model["Config"] if short else f"../{model['Config']}"
    return (
        f"[`{Path(model['Config']).name}`]({link})",
        model["Metadata"]["Backbone"],
        *recipe,
        *shown_costs(model),
        "; ".join(f"{score} ({source})" for score, source in published(model)) or None,
    )


def shown_costs(model: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return input size, parameters, multiply-accumulates and latency of an entry."""
    facts = model["Metadata"]
    height, width = facts["Input Size"]
    numbers = (("Parameters", 1e6, 2), ("MACs", 1e9, 3), ("CPU Latency (ms)", 1, 1))
    return (
        f"{height} x {width}",
        *(
            None if facts.get(name) is None else f"{facts[name] / unit:.{digits}f}"
            for name, unit, digits in numbers
        ),
    )


def published(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what others report for an entry, each with its source."""
    return [
        (f"{value} {metric}", result["Source"])
        for result in model.get("Results") or ()
        for metric, value in result["Metrics"].items()
    ]
