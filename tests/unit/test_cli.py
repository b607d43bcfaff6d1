"""The command line: what it says, and that every error is one message, status 1, and nothing written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from txray_lib import cli, engine, flow
from txray_lib.errors import TxrayError
from txray_lib.profiles import list_profiles, load_profile
from txray_lib.steps.declared import Step

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(workplace, monkeypatch, capsys) -> Call:
    """Runs a command in this process: its status, what it said, what it complained of."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["txray", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def files(folder: Path) -> set[Path]:
    return {p for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def fake_steps(monkeypatch) -> list[str]:
    """Two steps that compute nothing, made in this process; gives the list of those made. The last ends in the results."""
    made: list[str] = []
    fake = ModuleType("txray_lib.steps.fake")

    def make(task, folder: Path) -> None:
        made.append(task.name)
        for name in task.makes:
            (folder / name).write_text(json.dumps({"profile": "tiny"}))

    fake.make = make
    monkeypatch.setitem(sys.modules, "txray_lib.steps.fake", fake)
    steps = [
        Step("first", "do this", "fake.make", ("first.json",), settings=("seed",)),
        Step("tables", "do that", "fake.make", ("provenance.json",), ("first/first.json",), ("name",)),
    ]
    monkeypatch.setattr(flow, "declare", lambda profile: steps)
    monkeypatch.setattr(flow.Run, "code", lambda run, name: "code")
    monkeypatch.setattr(engine, "apart", lambda function, *given: function(*given))
    return made


def test_profiles_are_listed(call):
    status, out, _ = call("profiles")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list_profiles()


def test_stages_are_listed(call):
    status, out, _ = call("stages", "tiny")
    assert status == 0
    assert "encyclopedia-0" in out
    assert "rq3      reviews-zero-shot:reviews-supervised" in out


def test_steps_are_listed_with_what_they_need(call, fake_steps):
    lines = call("steps", "tiny")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["first", "tables"]
    assert "(needs first)" in lines[1]


def test_run_computes_once_and_then_says_so(call, fake_steps):
    assert call("run", "tiny", "--until", "first")[0] == 0
    assert fake_steps == ["first"]
    status, _, err = call("run", "tiny")
    assert (status, fake_steps) == (0, ["first", "tables"])
    assert "tables: do that" in err
    status, out, _ = call("run", "tiny")
    assert (status, fake_steps) == (0, ["first", "tables"])
    assert "nothing to compute, all 2 steps are done" in out


def test_without_snakemake_the_same_functions_run_in_order(call, fake_steps, monkeypatch):
    monkeypatch.setitem(sys.modules, "snakemake", None)
    status, _, err = call("run", "tiny")
    assert (status, fake_steps) == (0, ["first", "tables"])
    assert "Snakemake is not at hand" in err
    assert "nothing to compute" in call("run", "tiny")[1]


def test_an_example_is_written_and_its_run_known(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, said, _ = call("example", "mine")
    assert (status, said) == (0, "wrote mine.yaml, reviews.csv, text.txt in mine. Now: txray run mine/mine.yaml\n")
    status, said, _ = call("steps", "mine/mine.yaml")
    assert status == 0
    assert "corpora " in said
    before = {path: path.read_bytes() for path in files(tmp_path)}
    status, said, error = call("example", "mine")
    assert (status, said) == (1, "")
    assert "nothing in it is overwritten" in error
    assert {path: path.read_bytes() for path in files(tmp_path)} == before


def test_freeze_keeps_the_tables_of_a_finished_run(call, fake_steps, workplace):
    status, _, err = call("freeze", "tiny")
    assert status == 1
    assert "the run 'tiny' is not finished" in err
    assert not (workplace / "results").exists()
    flow.Run(load_profile("tiny"), say=lambda line: None).make()
    old = workplace / "results" / "tiny" / "old.txt"
    old.parent.mkdir(parents=True)
    old.write_text("x")
    assert call("freeze", "tiny")[0] == 0
    assert [p.name for p in files(workplace / "results")] == ["provenance.json"]
    assert [p.name for p in (workplace / "results").iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "tinny"), "Did you mean 'tiny'?"),
        (("run", "tiny", "--until", "prunee"), "Did you mean 'prune'?"),
        (("steps", "none"), "there is no profile 'none'"),
        (("stages", "none"), "there is no profile 'none'"),
        (("freeze", "tiny"), "not finished"),
        (("freeze", "none"), "there is no profile 'none'"),
        (("run", "none.yaml"), "none.yaml"),
        (("notebook", "rq9"), "rq9"),
        (("notebook", "rq1", "-p", "top_tokens"), "'top_tokens' is not NAME=VALUE"),
        (("notebook", "rq1", "-p", "=3"), "'=3' is not NAME=VALUE"),
        (("run", "tiny", "--device", "warp"), "warp"),
        (("run", "tiny", "--device", "cuda:77"), "cuda:77"),
    ],
)
def test_an_error_is_one_message_status_1_and_nothing_written(call, workplace, monkeypatch, arguments, said):
    (workplace / "notebooks").mkdir()
    (workplace / "notebooks" / "rq1.md").write_text("# A page\n")
    monkeypatch.chdir(workplace)
    before = files(workplace)
    status, out, err = call(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("error: ") == 1
    assert said in err
    assert "Traceback" not in err
    assert files(workplace) == before


@pytest.mark.parametrize("text", ["seed: one\nbase: tiny\n", "base: tiny\npretraining: {unit: 3}\n", "a: [", ""])
def test_a_wrong_profile_is_one_message(call, workplace, text):
    path = workplace / "mine.yaml"
    path.write_text(text)
    before = files(workplace)
    status, out, err = call("run", str(path))
    assert (status, out) == (1, "")
    assert err.startswith("error: the profile")
    assert "mine.yaml" in err
    assert files(workplace) == before


def test_a_notebook_takes_a_profile_by_its_file_from_wherever_it_is_called(call, tmp_path, monkeypatch):
    pytest.importorskip("nbformat", reason="a notebook is read by it: pip install 'txray-lib[book]'")
    from txray_lib import notebooks

    given = {}
    monkeypatch.setattr(notebooks, "find_notebook", Path)
    monkeypatch.setattr(notebooks, "execute", lambda source, out, parameters, cwd: given.update(parameters))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.yaml").write_text("base: tiny\n")
    monkeypatch.chdir(tmp_path)
    assert call("notebook", "rq3", "-p", "profile=mine/own.yaml", "-p", "profiles=demo, mine/own.yaml")[0] == 0
    assert given == {"profile": "own", "profiles": "demo, own"}
    status, _, error = call("notebook", "rq3", "-p", "profile=mine/owm.yaml")
    assert status == 1
    assert "there is no profile 'mine/owm.yaml'" in error


def test_usage_errors_are_told_by_status_2(call):
    status, _, err = call("run")
    assert status == 2
    assert err == "error: Missing argument 'profile'.\n"
    assert call("dance")[0] == 2


def test_a_step_that_fails_is_one_message_and_leaves_nothing_that_looks_done(call, fake_steps, monkeypatch, workplace):
    def fail(task, folder):
        (folder / "first.json").write_text("hal")
        raise TxrayError("the corpus 'x' is empty: give it text")

    def stop(task, folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["txray_lib.steps.fake"], "make", fail)
    monkeypatch.setattr(engine, "apart", lambda function, *given: told(function, *given))
    status, _, err = call("run", "tiny")
    assert (status, err) == (1, "first: do this\nerror: the corpus 'x' is empty: give it text\n")
    assert not (workplace / "build" / "runs" / "tiny" / "first" / "first.json").exists()
    monkeypatch.setitem(sys.modules, "snakemake", None)
    monkeypatch.setattr(sys.modules["txray_lib.steps.fake"], "make", stop)
    status, _, err = call("run", "tiny")
    assert status == 130
    assert "the same command goes on from here" in err


def told(function, *given):
    """As `engine.apart` tells of an error, without a process of its own."""
    try:
        return function(*given)
    except TxrayError as error:
        engine.ERRORS.append(error)
        raise


def test_a_disk_too_small_is_told_before_anything_starts(call, fake_steps, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 0))
    status, _, err = call("run", "tiny")
    assert (status, fake_steps) == (1, [])
    assert "needs about" in err
    assert "are free" in err


def test_the_console_script_itself(workplace):
    result = subprocess.run(
        [sys.executable, "-c", "from txray_lib.cli import main; main()", "run", "tinny"], capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: there is no profile 'tinny'")
    assert len(result.stderr.splitlines()) == 1


def test_teacher_computes_nothing_and_says_what_it_wrote(call, fake_steps, monkeypatch):
    pytest.importorskip("nbformat", reason="a notebook is read by it: pip install 'txray-lib[book]'")
    from txray_lib.book import handouts

    monkeypatch.setattr(handouts, "build_students", lambda: [Path("lab.ipynb")])
    monkeypatch.setattr(handouts, "build_teacher", lambda: [Path("assignment.html")])
    status, out, _ = call("teacher")
    assert (status, fake_steps) == (0, [])
    assert out.splitlines() == ["wrote lab.ipynb", "wrote assignment.html"]


def test_help_lists_the_commands(call):
    status, out, _ = call("--help")
    assert status == 0
    for command in ("run", "steps", "notebook", "book", "teacher", "profiles", "stages", "results", "freeze"):
        assert command in out
