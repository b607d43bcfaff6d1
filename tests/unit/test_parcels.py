"""Archives of steps: what comes out is what went in, whole, from the same code; anything else is an error and changes nothing."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from txray_lib import flow
from txray_lib.errors import TxrayError
from txray_lib.flow import Run, Step
from txray_lib.parcels import pack, unpack
from txray_lib.profiles import load_profile


def _write(name: str):
    def run(run: Run, folder: Path) -> None:
        (folder / "kept.txt").write_text(name, encoding="utf-8")
        (folder / "deep").mkdir(exist_ok=True)
        (folder / "deep" / "kept.txt").write_text(name * 2, encoding="utf-8")
        (folder / "target.parquet").write_text("read by these three alone", encoding="utf-8")

    return run


@pytest.fixture
def run(workplace, monkeypatch) -> Run:
    names = ("corpora", "tags", "vocabulary", "pretrain")
    steps = [Step(n, "", (), ("seed",), ("stages",), _write(n)) for n in names]
    monkeypatch.setattr("txray_lib.steps.declare", lambda profile: steps)
    return Run(load_profile("tiny"), say=lambda line: None)


@pytest.fixture
def elsewhere(run, tmp_path, monkeypatch, new_workplace):
    """The same run in an empty compendium, after `pack`."""

    def go() -> Run:
        monkeypatch.setenv("TXRAY_ROOT", str(new_workplace(tmp_path / "elsewhere")))
        return Run(load_profile("tiny"), say=lambda line: None)

    return go


def test_steps_come_out_as_they_went_in(run, elsewhere, tmp_path):
    run.make()
    archive = tmp_path / "a.tar.gz"
    assert pack(run, ["pretrain", "tags"], archive) == archive.stat().st_size
    there = elsewhere()
    assert unpack(there, archive) == ["tags", "pretrain"]
    assert there.is_done("tags")
    assert there.is_done("pretrain")
    assert not there.is_done("corpora")
    assert (there.file("pretrain", "deep/kept.txt")).read_text(encoding="utf-8") == "pretrainpretrain"
    assert [p.name for p in there.folder.iterdir() if p.name.startswith(".unpacked")] == []


def test_what_only_the_text_steps_read_stays_at_home(run, elsewhere, tmp_path):
    run.make()
    pack(run, ["corpora", "tags", "vocabulary"], tmp_path / "a.tar.gz")
    pack(run, ["corpora"], tmp_path / "alone.tar.gz")
    there = elsewhere()
    unpack(there, tmp_path / "a.tar.gz")
    assert there.is_done("corpora")
    assert not there.file("corpora", "target.parquet").exists()
    assert there.file("tags", "target.parquet").exists()
    with tarfile.open(tmp_path / "alone.tar.gz") as tar:
        assert "corpora/target.parquet" in tar.getnames()


def test_what_is_done_already_stays(run, tmp_path):
    run.make()
    pack(run, ["tags"], tmp_path / "a.tar.gz")
    before = run.file("tags", "kept.txt").stat().st_mtime_ns
    assert unpack(run, tmp_path / "a.tar.gz") == ["tags"]
    assert run.file("tags", "kept.txt").stat().st_mtime_ns == before


def test_a_step_that_is_not_done_cannot_be_packed(run, tmp_path):
    run.make("tags")
    with pytest.raises(TxrayError, match="pretrain of 'tiny' cannot be packed"):
        pack(run, ["tags", "pretrain"], tmp_path / "a.tar.gz")
    with pytest.raises(TxrayError, match="there is no step 'tag'"):
        pack(run, ["tag"], tmp_path / "a.tar.gz")
    assert not (tmp_path / "a.tar.gz").exists()


def test_other_code_is_an_error(run, elsewhere, tmp_path, monkeypatch):
    run.make()
    pack(run, ["tags"], tmp_path / "a.tar.gz")
    there = elsewhere()
    monkeypatch.setattr(flow, "code_hash", lambda module: "other")
    with pytest.raises(TxrayError, match="made with another profile or other code"):
        unpack(there, tmp_path / "a.tar.gz")
    assert not there.place("tags").exists()


def hostile(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_nothing_is_written_outside_and_nothing_unknown_is_taken(run, tmp_path):
    done = json.dumps({"fingerprint": "x", "files": {"kept.txt": 4}}).encode()
    for name, members, message in (
        ("up", [("../../evil.txt", b"x")], "not a whole archive"),
        ("unknown", [("weights/step.json", done)], "'weights', which is no step"),
        ("loose", [("tags", b"x")], "no step"),
        ("bare", [("tags/kept.txt", b"x")], "is not whole"),
        ("short", [("tags/step.json", done), ("tags/kept.txt", b"x")], "is not whole"),
        ("more", [("tags/step.json", done), ("tags/kept.txt", b"four"), ("tags/more.txt", b"")], "is not whole"),
        ("forged", [("tags/step.json", done), ("tags/kept.txt", b"four")], "another profile or other code"),
    ):
        with pytest.raises(TxrayError, match=message):
            unpack(run, hostile(tmp_path / f"{name}.tar.gz", *members))
    assert not list(tmp_path.rglob("evil.txt"))
    assert not run.place("tags").exists()


def test_a_truncated_or_absent_archive_is_an_error(run, elsewhere, tmp_path):
    run.make()
    pack(run, ["tags", "pretrain"], tmp_path / "a.tar.gz")
    (tmp_path / "a.tar.gz").write_bytes((tmp_path / "a.tar.gz").read_bytes()[:-60])
    there = elsewhere()
    with pytest.raises(TxrayError, match=r"not a whole archive|is not whole"):
        unpack(there, tmp_path / "a.tar.gz")
    with pytest.raises(TxrayError, match="there is no archive"):
        unpack(there, tmp_path / "b.tar.gz")
    assert not there.place("tags").exists()
