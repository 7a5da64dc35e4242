import csv
import io

import pytest

from ghostnet_mm.reporting.tables import Table


def test_csv_reads_back():
    table = Table.of(("name", "mAP"), [('a,"b"', 0.25), ("two\nlines", None)])
    rows = list(csv.reader(io.StringIO(table.csv())))
    assert rows == [["name", "mAP"], ['a,"b"', "0.25"], ["two lines", "-"]]


def test_a_number_stays_as_it_was_written():
    assert "0.500" in Table.of(("name", "mAP"), [("a", "0.500")]).markdown()


def test_a_table_without_rows_keeps_its_heads():
    assert "mAP" in Table.of(("name", "mAP"), []).markdown()


def test_a_short_row_is_an_error():
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Table.of(("name", "mAP"), [("a",)])
