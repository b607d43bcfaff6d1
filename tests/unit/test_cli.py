"""The command line: what it says, and that every error is one message, status 1, and nothing written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from txray_lib import cli, flow
from txray_lib.errors import TxrayError
from txray_lib.flow import Step
from txray_lib.profiles import list_profiles

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
    """Two steps that compute nothing; gives the list of those made. The last ends in the results."""
    from txray_lib import places

    made: list[str] = []

    def make(name: str) -> Callable[..., None]:
        def run(run: flow.Run, folder: Path) -> None:
            made.append(name)
            (folder / "provenance.json").write_text(json.dumps({"profile": run.profile.name}))

        return run

    def declare(profile):
        return [
            Step("first", "do this", (), ("seed",), ("errors",), make("first")),
            Step(
                "tables",
                "do that",
                ("first",),
                ("name",),
                ("errors",),
                make("tables"),
                places.live_results(profile.name),
            ),
        ]

    monkeypatch.setattr("txray_lib.steps.declare", declare)
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


def test_steps_say_what_is_to_do_and_what_is_done(call, fake_steps):
    assert "first                          to do" in call("steps", "tiny")[1]
    call("step", "tiny", "first")
    lines = call("steps", "tiny")[1].splitlines()
    assert [("done" in line, "to do" in line) for line in lines] == [(True, False), (False, True)]
    assert "(needs first)" in lines[1]


def test_run_computes_once_and_then_says_so(call, fake_steps):
    status, _, err = call("run", "tiny")
    assert (status, fake_steps) == (0, ["first", "tables"])
    assert "2 of 2 steps to do, about" in err
    status, out, _ = call("run", "tiny")
    assert (status, fake_steps) == (0, ["first", "tables"])
    assert "nothing to compute, all 2 steps are done" in out


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


def test_run_until_a_step(call, fake_steps):
    assert call("run", "tiny", "--until", "first")[0] == 0
    assert fake_steps == ["first"]


def test_step_makes_one_and_says_when_there_is_nothing_to_do(call, fake_steps):
    assert call("step", "tiny", "first")[0] == 0
    status, out, _ = call("step", "tiny", "first")
    assert (status, out.strip()) == (0, "first: nothing to do")
    assert fake_steps == ["first"]


def test_freeze_keeps_the_tables_of_a_finished_run(call, fake_steps, workplace):
    status, _, err = call("freeze", "tiny")
    assert status == 1
    assert "the run 'tiny' is not finished" in err
    assert not (workplace / "results").exists()
    call("run", "tiny")
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
        (("step", "tiny", "colect"), "there is no step 'colect'"),
        (("step", "tiny", "prune"), "the step 'prune' needs"),
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
        (("step", "tiny", "corpora", "--device", "warp"), "warp"),
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


def test_a_step_that_fails_leaves_nothing_that_looks_done(call, fake_steps, workplace, monkeypatch):
    def declare(profile):
        def run(run, folder):
            (folder / "half.txt").write_text("hal")
            raise TxrayError("the corpus 'x' is empty: give it text")

        return [Step("first", "do this", (), (), ("errors",), run)]

    monkeypatch.setattr("txray_lib.steps.declare", declare)
    status, _, err = call("run", "tiny")
    assert status == 1
    assert err.rstrip().endswith("error: the corpus 'x' is empty: give it text")
    assert not (workplace / "build" / "runs" / "tiny" / "first").exists()
    assert "to do" in call("steps", "tiny")[1]


def test_ctrl_c_is_status_130_and_a_hint(call, monkeypatch):
    def declare(profile):
        def run(run, folder):
            raise KeyboardInterrupt

        return [Step("first", "do this", (), (), ("errors",), run)]

    monkeypatch.setattr("txray_lib.steps.declare", declare)
    status, _, err = call("run", "tiny")
    assert status == 130
    assert "the same command goes on from here" in err


def test_a_disk_too_small_is_told_before_anything_starts(call, fake_steps, monkeypatch):
    import shutil
    from collections import namedtuple

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
    from txray_lib import handouts

    monkeypatch.setattr(handouts, "build_students", lambda: [Path("lab.ipynb")])
    monkeypatch.setattr(handouts, "build_teacher", lambda: [Path("assignment.html")])
    status, out, _ = call("teacher")
    assert (status, fake_steps) == (0, [])
    assert out.splitlines() == ["wrote lab.ipynb", "wrote assignment.html"]


def test_help_lists_the_commands(call):
    status, out, _ = call("--help")
    assert status == 0
    for command in ("run", "step", "steps", "notebook", "book", "teacher", "profiles", "stages", "results", "freeze"):
        assert command in out
