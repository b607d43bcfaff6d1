"""Snakemake decides what is made: nothing twice, everything that follows from what changed, whatever kills or disturbs it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from txray_lib import engine, places, stages
from txray_lib.engine import open_run, plan, tracking, train_run
from txray_lib.engine.run import Run
from txray_lib.errors import TxrayError
from txray_lib.profiles import load_profile


@pytest.fixture
def run(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The finished run `tiny` in a copy of its compendium."""
    folder = tmp_path / "twin"
    shutil.copytree(tiny_home, folder)
    monkeypatch.setenv("TXRAY_ROOT", str(folder))
    monkeypatch.delenv("TXRAY_RESULTS", raising=False)
    return Run(load_profile("tiny"))


@pytest.fixture
def planned(capfd: pytest.CaptureFixture[str]) -> Callable[..., set[str]]:
    """The rules that Snakemake says it would run for tiny."""

    def ask(*until: str) -> set[str]:
        capfd.readouterr()
        engine.make_run(Run(load_profile("tiny")), "tiny", until, "dry-run")
        told = "".join(capfd.readouterr())
        return set(re.findall(r"^(\S+) +\d+$", told, re.MULTILINE)) - {"total", "all"}

    return ask


def contents(run: Run) -> dict[Path, bytes]:
    folders = (run.folder, run.place("tables"))
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*.*") if path.is_file()}


def test_a_finished_run_has_nothing_to_do(run, planned, capfd):
    before = contents(run)
    assert planned() == set()
    assert not engine.make_run(run, "tiny")
    assert run.make() == [], "nor has it where Snakemake is not"
    assert train_run("tiny").model("supervised").encoder.units == run.profile.pretraining.units
    capfd.readouterr()
    engine.make_run(run, "tiny", show="summary")
    assert "build/results/tiny/step.json" in capfd.readouterr().out
    assert contents(run) == before


def test_what_a_stage_reads_is_tracked(run, planned, monkeypatch):
    """Zero-shot reads another snapshot: it is collected again, and no other stage is."""

    def changed(profile):
        return [replace(s, snapshot="epoch-1") if s.role == "zero-shot" else s for s in stages.stages(profile)]

    monkeypatch.setattr(plan, "stages", changed)
    assert {"collect", "preferences", "transfer", "nulls", "tables"} <= planned()
    assert not {"corpora", "tags", "vocabulary", "pretrain", "finetune"} & planned()


def test_code_is_tracked_through_imports(run, planned, monkeypatch):
    original = tracking._read
    monkeypatch.setattr(tracking, "_read", lambda file: b"new" if file.name == "stages.py" else original(file))
    assert {"collect", "tables"} <= planned()
    assert not {"corpora", "tags", "vocabulary", "pretrain"} & planned()


def test_the_papers_values_are_tracked_by_the_step_that_measures(run, planned, monkeypatch):
    original = tracking._read
    monkeypatch.setattr(tracking, "_read", lambda file: b"new" if file.name == "paper.yaml" else original(file))
    assert "tables" in planned()
    assert not {"corpora", "tags", "collect", "preferences", "transfer", "nulls", "prune"} & planned()


def test_everything_is_made_again_where_the_folder_of_runs_is_gone(run, planned):
    shutil.rmtree(run.folder)
    with pytest.raises(TxrayError, match=r"the run 'tiny' lacks corpora"):
        open_run("tiny")
    assert planned() == {step.rule or step.name for step in run.steps.values()}


def test_a_changed_parameter_makes_its_step_and_what_follows(run, planned):
    path = places.profiles_folder() / "tiny.yaml"
    whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    for change, wanted in (
        ({"about": "Other words."}, {"tables"}),
        ({"pruning": {**whole["pruning"], "set_size": 2}}, {"prune", "tables"}),
    ):
        path.write_text(yaml.safe_dump({**whole, **change}), encoding="utf-8")
        assert planned() == wanted
    assert planned("transfer") == set()


def test_a_missing_file_is_made_again_and_a_damaged_one_is_told(run, planned):
    (run.place("probe") / "probe.parquet").unlink()
    assert engine.make_run(run, "tiny")
    assert (run.place("probe") / "probe.parquet").is_file()
    run.note("tables").unlink()
    damaged = run.place("prune") / "pruning.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-9] + b"123456789")
    with pytest.raises(TxrayError, match=r"pruning\.parquet is damaged: .*Delete it and run the same command again"):
        engine.make_run(run, "tiny")
    damaged.unlink()
    assert engine.make_run(run, "tiny")
    assert run.is_there("tables")


def test_an_error_of_a_step_is_one_message(run, tmp_path, monkeypatch, capfd):
    profile = {"corpora": {"pretraining": {"name": "mine", "source": "file", "path": "text.txt"}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"base": "tiny", "about": "Mine.", **profile}), encoding="utf-8")
    name = str(tmp_path / "mine.yaml")
    with pytest.raises(TxrayError, match=r"text\.txt cannot be read"):
        engine.make_run(Run(load_profile(name)), name)
    (tmp_path / "text.txt").write_text("\n")
    capfd.readouterr()
    with pytest.raises(TxrayError, match=r"text\.txt"):
        engine.make_run(Run(load_profile(name)), name)
    told = "".join(capfd.readouterr())
    assert "Traceback" not in told
    assert "Error" not in told
    assert not Run(load_profile(name)).is_there("corpora")


def test_a_second_process_is_told_and_another_run_is_free(run):
    (places.profiles_folder() / "another.yaml").write_text("{base: tiny, about: Another.}", encoding="utf-8")
    with FileLock(run.folder / ".lock"):
        with pytest.raises(TxrayError, match="another process is making the run 'tiny'"):
            engine.make_run(run, "tiny")
        assert engine.make_run(Run(load_profile("another")), "another", ["corpora"])


@pytest.fixture
def started(run: Run) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts `txray run tiny` anew, and gives it when its first step is at work."""
    processes: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        shutil.rmtree(run.folder)
        command = [sys.executable, "-m", "txray_lib.cli", "run", "tiny", "--until", "corpora"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=places.root())
        processes.append(process)
        assert process.stderr is not None
        assert any(line.startswith("corpora:") for line in iter(process.stderr.readline, ""))
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_killed_run_takes_its_jobs_along_and_is_gone_on_with(run, started, number, status):
    process = started()
    os.kill(process.pid, number)
    assert process.wait(timeout=60) == status
    deadline = time.monotonic() + 60
    while (jobs := jobs_of(run)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert jobs == []
    whole = run.is_there("corpora")
    assert whole or not list(run.place("corpora").glob("*.*"))
    assert engine.make_run(run, "tiny", ["corpora"]) or whole
    assert run.is_there("corpora")


def jobs_of(run: Run) -> list[str]:
    """Processes whose working folder is the run's compendium, this one apart."""
    import psutil  # which Snakemake needs too

    found, home = psutil.process_iter(["cwd", "cmdline"]), str(places.root().resolve())
    return [str(each.info["cmdline"]) for each in found if each.info["cwd"] == home and each.pid != os.getpid()]


def test_a_killed_training_goes_on_to_the_same_bytes(run, monkeypatch):
    from txray_lib.encoders import training
    from txray_lib.steps import perform

    def weights() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in run.place("pretrain").glob("*.safetensors")}

    whole = weights()
    shutil.rmtree(run.place("pretrain"))
    save, saved = training.save_checkpoint, []

    def killed(*arguments):
        save(*arguments)
        saved.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        perform(run.task("pretrain"))
    assert len(saved) == 1
    assert not run.place("pretrain").exists()
    monkeypatch.setattr(training, "save_checkpoint", save)
    perform(run.task("pretrain"))
    assert weights() == whole
