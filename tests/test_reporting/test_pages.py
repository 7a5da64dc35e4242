from html.parser import HTMLParser

from ghostnet_mm.reporting.pages import Line, Section, render_page
from ghostnet_mm.reporting.tables import Table

HOSTILE = "</td><script>alert(1)</script>&\"'"


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.texts += [value for _, value in attrs]

    def handle_data(self, data):
        self.texts.append(data)


def test_hostile_text_is_text_wherever_it_stands():
    section = Section(
        HOSTILE,
        lines=(HOSTILE, Line(HOSTILE, "bad")),
        table=Table.of((HOSTILE, "n"), [(HOSTILE, 1)]),
        items=(HOSTILE,),
        facts={HOSTILE: HOSTILE},
        pictures=((HOSTILE, "data:image/png;base64,AA=="),),
    )
    reader = _Reader()
    reader.feed(render_page(HOSTILE, [section]))
    assert "script" not in reader.tags
    # The title twice; heading, two lines, head, cell, item, fact twice, caption twice.
    assert reader.texts.count(HOSTILE) == 12


def test_markdown_says_the_same():
    section = Section("Costs", ("Measured.",), Table.of(("a", "b"), [("x", 2)]), ("i",))
    text = section.markdown()
    for part in ("## Costs", "Measured.", "| x ", "- i"):
        assert part in text


def test_cells_are_colored_by_what_they_mean_but_not_names():
    table = Table.of(
        ("model", "ok"), [("no", "yes"), ("x", "no")], meanings={"yes": "good"}
    )
    page = render_page("t", [Section("", table=table)])
    assert '<td class="text">no</td>' in page
    assert '<td class="good">yes</td>' in page
    assert '<td class="">no</td>' in page
