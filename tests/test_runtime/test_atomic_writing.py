import json
import os

import pytest
from ghostnet_runtime.atomic_writing import (
    GrowingList,
    finished_file,
    finished_folder,
    write_text,
)
from ghostnet_runtime.errors import DataError, OptionError


def test_results_appear_when_all_is_done(tmp_path):
    target = tmp_path / "deep" / "out"
    with finished_folder(target) as folder:
        (folder / "below").mkdir()
        (folder / "below" / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "below" / "a.txt").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep"]


def test_an_error_leaves_the_results_of_before(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("before")

    def fail():
        with finished_folder(tmp_path / "out") as folder:
            (folder / "a.txt").write_text("half")
            raise DataError("stop.")

    with pytest.raises(DataError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "a.txt").read_text() == "before"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(OptionError, match="is a file"),
        finished_folder(tmp_path / "out"),
    ):
        pass


def test_a_folder_below_a_file_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OptionError, match=r"cannot be written: .*file is a file"),
        finished_folder(tmp_path / "file" / "below" / "out"),
    ):
        raise AssertionError("worked for nothing")


@pytest.mark.parametrize(
    ("error", "expected"),
    [(OSError(28, "No space left on device"), OptionError), (OSError(9, "x"), OSError)],
)
def test_only_a_full_disk_is_the_users(tmp_path, error, expected):
    with pytest.raises(expected) as told, finished_folder(tmp_path / "out"):
        raise error
    assert isinstance(told.value, OptionError) == (expected is OptionError)
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_whole_and_readable_by_others(tmp_path):
    target = tmp_path / "new" / "card.json"
    write_text(target, "first")
    with finished_file(target) as scratch:
        assert scratch.suffix == ".json"
        scratch.write_text("second")
        assert target.read_text() == "first"
    assert target.read_text() == "second"
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask
    assert [path.name for path in target.parent.iterdir()] == ["card.json"]


def test_an_error_leaves_the_file_of_before(tmp_path):
    target = tmp_path / "card.json"
    write_text(target, "before")

    def fail():
        with finished_file(target) as scratch:
            scratch.write_text("half")
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_a_growing_list_is_whole_after_every_entry(tmp_path):
    target = tmp_path / "new" / "list.json"
    entries = [{"name": "图片", "rows": list(range(n))} for n in range(5)]
    with GrowingList(target) as growing:
        assert not target.exists()
        for count, entry in enumerate(entries, start=1):
            growing.append(entry)
            assert json.loads(target.read_text()) == entries[:count]
    assert json.loads(target.read_text()) == entries
    assert [path.name for path in target.parent.iterdir()] == ["list.json"]


def test_a_growing_list_takes_the_place_of_a_longer_one(tmp_path):
    target = tmp_path / "list.json"
    target.write_text(json.dumps(list(range(1000))))
    with GrowingList(target):
        pass
    assert len(json.loads(target.read_text())) == 1000
    with GrowingList(target) as growing:
        growing.append(1)
        growing.append(2)
    assert json.loads(target.read_text()) == [1, 2]


def test_an_entry_that_does_not_fit_leaves_those_before(tmp_path):
    """A disk that takes some bytes of an entry and then no more."""
    target = tmp_path / "list.json"
    with GrowingList(target) as growing:
        growing.append("first")
        growing.append("second")
        raw, room = growing._file, [10]

        class FullDisk:
            def write(self, content):
                fitting = content[: room[0]]
                if not fitting:
                    raise OSError(28, "No space left on device")
                room[0] -= len(fitting)
                return raw.write(fitting)

            def truncate(self, size):
                room[0] += 2  # what lies below has its place
                return raw.truncate(size)

            def __getattr__(self, name):
                return getattr(raw, name)

        growing._file = FullDisk()
        with pytest.raises(OSError, match="No space left"):
            growing.append("third" * 10)
        assert json.loads(target.read_text()) == ["first", "second"]
        growing._file = raw
        growing.append("fourth")
    assert json.loads(target.read_text()) == ["first", "second", "fourth"]
