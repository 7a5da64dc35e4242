"""Reading an XML file from anyone: no entities, never more memory than there is."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeTree

from ...errors import DataError
from .json_files import read_bytes
from .memory import refuse_beyond_memory

# Upper bounds in bytes of an element with its place, and of an attribute.
ELEMENT_COST = 300
ATTRIBUTE_COST = 250


def parse_xml(content: bytes, path: str | os.PathLike[str]) -> Element:
    """Return the root of an XML file.

    Args:
        content: The bytes.
        path: The file, for messages.

    Raises:
        DataError: It is not XML, defines entities, or needs more memory than is free.
    """
    refuse_beyond_memory(path, _most_memory(content))
    try:
        return SafeTree.fromstring(content)
    except _REASONS as error:
        raise _not_xml(path, error) from error


def elements_of(path: str | os.PathLike[str], *tags: str) -> Iterator[Element]:
    """Yield the elements of these names in a large file, one at a time.

    Each is emptied when the next one is asked for, so that the file may be larger than
    the memory.

    Raises:
        DataError: As `parse_xml`.
    """
    content = read_bytes(path)
    root, depth = None, 0
    try:
        for event, element in SafeTree.iterparse(
            io.BytesIO(content), events=("start", "end")
        ):
            if event == "start":
                root = element if root is None else root
                depth += 1
                continue
            depth -= 1
            if depth == 1 and root is not None:
                if element.tag in tags:
                    yield element
                root.clear()
    except _REASONS as error:
        raise _not_xml(path, error) from error


def root_tag(content: bytes) -> str | None:
    """Return the name of a file's root element by its first bytes, if it is XML."""
    try:
        for _, element in SafeTree.iterparse(io.BytesIO(content), events=("start",)):
            return str(element.tag)
    except _REASONS:
        return None
    return None


def text_of(element: Element, path: str) -> str:
    """Return the text of a child, without blanks around it; empty if there is none."""
    return (element.findtext(path) or "").strip()


# What expat says of an encoding that Python lacks is a LookupError.
_REASONS = (ParseError, DefusedXmlException, ValueError, LookupError)


def _most_memory(content: bytes) -> int:
    return (
        len(content) * 5
        + content.count(b"<") * ELEMENT_COST
        + content.count(b"=") * ATTRIBUTE_COST
    )


def _not_xml(path: str | os.PathLike[str], error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(
        f"The annotation file {path} is not XML that can be read ({reason}); export it "
        f"again."
    )
