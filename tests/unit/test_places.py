"""Places: files are whole or absent, whatever happens while they are written."""

import errno

import pytest

from txray_lib import places
from txray_lib.errors import TxrayError
from txray_lib.places import require_fetched, whole_file, write_text


def test_the_root_is_txray_root_else_the_checkout_and_places_are_of_one_profile(workplace, monkeypatch):
    assert places.root() == workplace
    found = {place(name) for place in (places.run_folder, places.live_results, places.frozen_results) for name in "ab"}
    assert len(found) == 6
    assert all(workplace in place.parents for place in found)
    for unset in (lambda: monkeypatch.setenv("TXRAY_ROOT", ""), lambda: monkeypatch.delenv("TXRAY_ROOT")):
        unset()
        assert (places.root() / "txray_lib" / "places.py").is_file()


def test_a_file_is_there_only_after_the_block_and_text_is_utf_8(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with whole_file(path) as partial:
        assert partial.parent == path.parent
        partial.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    write_text("ŷ <b> 漢\n", path)
    assert path.read_bytes() == "ŷ <b> 漢\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("error", "told", "message"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (ValueError("no"), ValueError, "no"),
        (OSError(errno.EIO, "Input/output error"), OSError, None),
        (OSError(errno.ENOSPC, "No space left"), TxrayError, "no space left on the disk while writing .*a.txt"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), TxrayError, "no space left on the disk while writing .*a.txt"),
    ],
)
def test_what_goes_wrong_leaves_the_old_file_and_a_full_disk_is_told(tmp_path, error, told, message):
    path = tmp_path / "a.txt"
    write_text("old", path)

    def write() -> None:
        with whole_file(path) as partial:
            partial.write_text("ne")
            raise error

    with pytest.raises(told, match=message):
        write()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer.* Run: git lfs pull"),
        ("version https://hawser.github.com/spec/v1\noid", "is a Git LFS pointer.* Run: git lfs pull"),
        ("/annex/objects/SHA256E-s9--1\n", "is a git-annex pointer.* Run: git annex get"),
    ],
)
def test_a_pointer_is_told_with_what_fetches_its_file(tmp_path, start, told):
    path = tmp_path / "a.txt"
    write_text(start, path)
    with pytest.raises(TxrayError, match=rf"a\.txt {told}"):
        require_fetched(path)
    write_text(f"The {start}", path)
    require_fetched(path)
