"""Dataclasses that are written as JSON and read back as what they were."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from ghostnet_runtime.atomic_writing import write_text
from ghostnet_runtime.json_records import FieldError, read_record

from ..errors import DataError

RecordType = TypeVar("RecordType", bound="Record")


@dataclass(frozen=True)
class Record:
    """A dataclass of texts, numbers, tuples, mappings and other dataclasses.

    Attributes:
        KIND: What a file of it is called, and what to do about another one, in error
            messages: ``("deploy card", "export the detector anew")``.
    """

    KIND: ClassVar[tuple[str, str]]

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write all fields as JSON, whole or not at all.

        Raises:
            OSError: The file cannot be written.
        """
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls: type[RecordType], path: str | os.PathLike[str]) -> RecordType:
        """Read what `write_json` wrote; the result equals what was written.

        Raises:
            DataError: The file cannot be read, or a field is missing, unknown or of
                another type.
        """
        name, advice = cls.KIND
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            return read_record(cls, values, own=True)
        except FileNotFoundError as error:
            raise DataError(f"{path} does not exist; check the path.") from error
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error
        except ValueError as error:  # of a field, of the decoder, or of JSON
            known = isinstance(error, FieldError)
            reason = error if known else "it is not valid JSON"
            raise DataError(f"{path} is no {name}: {reason}; {advice}.") from error
