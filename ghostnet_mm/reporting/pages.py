"""One page template: HTML that needs no other file, whatever is written into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined

from .tables import Table


@dataclass(frozen=True)
class Line:
    """A sentence, and how it is meant.

    Attributes:
        text: The sentence.
        kind: ``good``, ``bad`` or empty.
    """

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it, in this order.

    Attributes:
        title: The heading.
        lines: Paragraphs.
        table: A table; ``None`` for none.
        items: Bullets.
        facts: Names and values.
        pictures: Captions and ``data:`` addresses of pictures.
        are_small: Whether the pictures are shown small, several side by side.
        folded: A heading and a text as it is, such as a config, to be opened.
    """

    title: str
    lines: tuple[str | Line, ...] = ()
    table: Table | None = None
    items: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    pictures: tuple[tuple[str, str], ...] = ()
    are_small: bool = False
    folded: tuple[str, str] | None = None

    def markdown(self) -> str:
        """Return the section in Markdown, under a heading of the second level."""
        parts = [f"## {self.title}"]
        parts += [line if isinstance(line, str) else line.text for line in self.lines]
        if self.table is not None:
            parts.append(self.table.markdown())
        if self.items:
            parts.append("\n".join(f"- {item}" for item in self.items))
        if self.facts:
            parts.append("\n".join(f"- {name}: {v}" for name, v in self.facts.items()))
        return "\n\n".join(parts) + "\n"


def render_page(title: str, sections: Sequence[Section]) -> str:
    """Return a page of HTML; all text is escaped, and wide tables scroll by themselves.

    Args:
        title: Of the page, its first heading as well.
        sections: What stands below.
    """
    environment = Environment(
        loader=PackageLoader("ghostnet_mm.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(title=title, sections=sections)


def markdown_page(sections: Sequence[Section]) -> str:
    """Return the same in Markdown."""
    return "\n".join(section.markdown() for section in sections)
