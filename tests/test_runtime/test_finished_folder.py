import pytest
from ghostnet_runtime.errors import DataError, OptionError
from ghostnet_runtime.finished_folder import finished_folder


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
