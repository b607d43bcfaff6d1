"""The command line: what it says, and that every error is one message, status 1, and nothing written."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from txray_lib import cli, engine, places
from txray_lib.errors import TxrayError
from txray_lib.profiles import list_profiles

WRONG = {
    "a.yaml": "seed: one\nbase: tiny\n",
    "b.yaml": "base: tiny\npruning: {unit: 3}\n",
    "c.yaml": "a: [",
    "d.yaml": "",
}
"""Profiles that cannot be used."""
PAGE = "# A page\n\n```{code-cell}\n:tags: [parameters]\n\nn = 1\n```\n"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(workplace, monkeypatch, capsys) -> Call:
    """Runs a command in this process: its status, what it said, what it complained of."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["txray", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_profiles_results_and_commands_are_listed(call):
    status, out, _ = call("profiles")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list_profiles()
    assert call("results")[:2] == (0, "none yet: `txray run demo` makes some\n")
    status, out, _ = call("--help")
    assert status == 0
    for command in ("run", "notebook", "book", "example", "teacher", "profiles", "results", "freeze"):
        assert command in out


def test_an_example_is_written(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, said, _ = call("example", "mine")
    assert (status, said) == (0, "wrote mine.yaml, reviews.csv, text.txt in mine. Now: txray run mine/mine.yaml\n")


def test_an_example_is_whole_or_absent(call, tmp_path, monkeypatch):
    def full(text, path, write=places.write_text):
        if path.name == "reviews.csv":
            raise TxrayError(f"no space left on the disk while writing {path}")
        write(text, path)

    monkeypatch.setattr(places, "write_text", full)
    assert call("example", str(tmp_path / "mine"))[0] == 1
    assert files(tmp_path / "mine") == {}


@pytest.mark.parametrize("place", ["none", "a.yaml"])
def test_a_variable_that_names_no_folder_of_tables_is_told(call, tmp_path, monkeypatch, place):
    (tmp_path / "a.yaml").write_text("")
    monkeypatch.setenv("TXRAY_RESULTS", str(tmp_path / place))
    status, _, err = call("results")
    assert (status, "which is no folder" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "tinny"), "Did you mean 'tiny'?"),
        (("run", "tiny", "--until", "prunee"), "no step 'prunee' in the profile 'tiny'. Did you mean 'prune'?"),
        (("example", "notebooks"), "nothing in it is overwritten"),
        (("example", "demo"), "already"),
        (("example", "a b"), "cannot"),
        (("freeze", "tiny"), "not finished"),
        (("freeze", "none"), "there is no profile 'none'"),
        (("run", "none.yaml"), "none.yaml"),
        (("notebook", "rq9"), "rq9"),
        (("notebook", "rq1", "-p", "top_tokens"), "'top_tokens' is not NAME=VALUE"),
        (("notebook", "rq1", "-p", "n=3", "-p", "n=4"), "n is given twice, as '3' and as '4'"),
        (("book", "--profile", "tinny"), "Did you mean 'tiny'?"),
        (("notebook", "rq1", "-p", "=3"), "'=3' is not NAME=VALUE"),
        (("notebook", "rq1", "-p", "n=["), "n of rq1 takes int, as in 1; it was given '['"),
        (("notebook", "rq1", "-o", "profiles"), "profiles cannot be written: Is a directory"),
        (("notebook", "rq1", "-o", "."), ". cannot be written: Is a directory"),
        (("notebook", "rq1", "-o", "pipe"), "pipe cannot be written: It is a device or a pipe"),
        (("notebook", "rq1", "-o", "d.yaml/x.ipynb"), "d.yaml/x.ipynb cannot be written: Not a directory"),
        (("notebook", "rq1", "-o", "x" * 300), "cannot be written: File name too long"),
        (("example", "d.yaml/mine"), "d.yaml/mine: Not a directory"),
        (("notebook", "rq1", "-p", "profile=mine/owm.yaml"), "there is no profile 'mine/owm.yaml'"),
        (("run", "tiny", "--device", "warp"), "cannot compute on the device 'warp'"),
        (("run", "tiny", "--device", "cuda:77"), "cuda:77"),
        *((("run", name), name) for name in WRONG),
    ],
)
def test_an_error_is_one_message_status_1_and_nothing_written(call, workplace, monkeypatch, arguments, said):
    (workplace / "notebooks").mkdir()
    (workplace / "notebooks" / "rq1.md").write_text(PAGE)
    os.mkfifo(workplace / "pipe")
    for name, text in WRONG.items():
        (workplace / name).write_text(text)
    monkeypatch.chdir(workplace)
    before = files(workplace)
    status, out, err = call(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("error: ") == 1
    assert said in err
    assert "Traceback" not in err
    assert files(workplace) == before


def test_a_notebook_takes_a_profile_by_its_file_from_wherever_it_is_called(call, tmp_path, monkeypatch):
    pytest.importorskip("nbformat", reason="a notebook is read by it: pip install 'txray-lib[book]'")
    from txray_lib.book import notebooks

    given = {}
    monkeypatch.setattr(notebooks, "find_notebook", Path)
    monkeypatch.setattr(notebooks, "execute", lambda source, out, parameters, cwd: given.update(parameters))
    (tmp_path / "own.yaml").write_text("base: tiny\n")
    monkeypatch.chdir(tmp_path)
    assert call("notebook", "rq3", "-p", "profile=own.yaml", "-p", "beside=own.yaml", "-p", "n=012")[0] == 0
    assert given == {"profile": "own", "beside": "own", "n": "012"}


@pytest.mark.parametrize(
    "command", [("run", "tiny"), ("run", "tiny", "-n"), ("book",), ("book", "-n"), ("freeze", "tiny")]
)
def test_a_file_in_the_place_of_a_folder_is_one_message_in_every_command(call, workplace, command):
    for name in ("build", "results"):
        (workplace / name).write_text("a file\n")
    status, _, err = call(*command)
    assert status == 1
    assert err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [("run", "tiny"), ("profiles",), ("book",), ("notebook", "rq1"), ("teacher",)])
def test_a_root_that_is_no_compendium_is_named_and_nothing_is_written_there(call, tmp_path, monkeypatch, command):
    monkeypatch.setenv("TXRAY_ROOT", str(tmp_path / "elsewhere"))
    told = "is no compendium: it has no folder profiles/. Set TXRAY_ROOT to the folder that has one, or work there."
    assert call(*command) == (1, "", f"error: {tmp_path / 'elsewhere'} {told}\n")
    assert not (tmp_path / "elsewhere").exists()


def test_a_temporary_folder_too_long_for_the_sockets_of_processes_is_told(call, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("d" * 90)))
    status, _, err = call("run", "tiny")
    assert status == 1
    assert err.startswith("error: the path of the temporary folder")
    assert "Set TMPDIR to a shorter one" in err


def test_usage_errors_are_status_2_and_ctrl_c_130(call, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    assert call("run")[::2] == (2, "error: Missing argument 'profile'.\n")
    assert call("dance")[0] == 2
    monkeypatch.setattr(engine, "make_run", stop)
    status, _, err = call("run", "tiny")
    assert status == 130
    assert "the same command goes on from here" in err
