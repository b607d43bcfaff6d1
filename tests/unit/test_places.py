"""Places: files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from txray_lib import places
from txray_lib.errors import TxrayError
from txray_lib.places import whole_file, write_text


def test_the_root_is_txray_root_else_the_checkout(workplace, monkeypatch):
    assert places.root() == workplace
    monkeypatch.setenv("TXRAY_ROOT", "")
    assert (places.root() / "txray_lib" / "places.py").is_file()
    monkeypatch.delenv("TXRAY_ROOT")
    assert (places.root() / "pyproject.toml").is_file()


def test_every_place_is_of_one_profile(workplace):
    for place in (places.run_folder, places.live_results, places.frozen_results):
        assert place("a") != place("b")
        assert workplace in place("a").parents
    assert len({place("a") for place in (places.run_folder, places.live_results, places.frozen_results)}) == 3


def test_a_file_is_there_only_after_the_block(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with whole_file(path) as partial:
        assert partial.parent == path.parent
        assert partial != path
        partial.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no"), OSError(errno.EIO, "Input/output error")])
def test_what_goes_wrong_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text("old", path)

    def write() -> None:
        with whole_file(path) as partial:
            partial.write_text("ne")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told(tmp_path, number):
    path = tmp_path / "a.txt"
    write_text("old", path)
    with pytest.raises(TxrayError, match=r"no space left on the disk while writing .*a.txt"), whole_file(path):
        raise OSError(number, "No space left on device")
    assert path.read_text() == "old"


def test_a_disk_that_fills_while_text_is_written_is_told(tmp_path, monkeypatch):
    def full(self: Path, text: str, encoding: str) -> None:
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(TxrayError, match="no space left"):
        write_text("new", tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_text_is_utf_8(tmp_path):
    write_text("ŷ <b> 漢\n", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == "ŷ <b> 漢\n".encode()
