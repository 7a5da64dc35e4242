"""Markdown tables, read back."""


def cells_of(text: str) -> list[list[str]]:
    """Return the cells of the lines of a text that belong to a table."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
