"""A run without Snakemake, and what a step is given: declared files and settings alone, its place in one move, its note."""

from __future__ import annotations

import errno
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from txray_lib import flow, places
from txray_lib.errors import TxrayError
from txray_lib.flow import Run
from txray_lib.profiles import Profile, list_profiles, load_profile
from txray_lib.steps.declared import Step
from txray_lib.steps.plan import declare
from txray_lib.steps.task import NOTE, Task, perform


class Workshop:
    """Three fake steps — a, then b, then tables — that note when they ran, and can be told to do something else."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.instead: dict[str, Callable[[Task, Path], None]] = {}

    def declare(self, profile: Profile) -> list[Step]:
        return [
            Step("a", "make a", "fake.make", ("a.txt",), settings=("seed",)),
            Step("b", "make b", "fake.make", ("b.txt", "sub/b.txt"), ("a/a.txt",), ("pruning.set_size",)),
            Step(
                "tables", "make c", "fake.make", ("tables.txt",), ("b/b.txt", "b/sub/b.txt", "a/step.json"), ("name",)
            ),
        ]

    def make(self, task: Task, folder: Path) -> None:
        self.made.append(task.name)
        self.instead.get(task.name, lambda task, folder: None)(task, folder)
        read = [task.file(*file.split("/", 1)).read_text() for file in task.reads if not file.endswith(NOTE)]
        for name in task.makes:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(f"{task.name} of {''.join(read)}")


@pytest.fixture
def workshop(workplace, monkeypatch) -> Workshop:
    shop, fake = Workshop(), ModuleType("txray_lib.steps.fake")
    fake.make = shop.make
    monkeypatch.setitem(sys.modules, "txray_lib.steps.fake", fake)
    monkeypatch.setattr(flow, "declare", shop.declare)
    monkeypatch.setattr(Run, "code", lambda self, name: "code")
    return shop


def a_run(**changes: object) -> Run:
    return Run(load_profile("tiny").model_copy(update=changes), say=lambda line: None)


def left_over(run: Run) -> list[str]:
    return sorted(p.name for p in run.folder.rglob("*") if p.name.endswith(".partial") or ".unfinished" in p.parts[:-1])


def test_steps_run_in_order_and_what_is_there_is_taken_as_done(workshop):
    run = a_run()
    assert run.make("b") == ["a", "b"]
    assert run.make() == ["tables"]
    assert run.make() == []
    assert workshop.made == ["a", "b", "tables"]
    assert (places.live_results("tiny") / "tables.txt").is_file()
    assert left_over(run) == []


@pytest.mark.parametrize("name", list_profiles())
def test_declared_steps_read_what_earlier_ones_make_and_are_given_what_the_profile_has(name):
    run = Run(load_profile(name))
    made: set[str] = set()
    for step in run.steps.values():
        assert set(step.reads) <= made, step.name
        made |= {f"{step.name}/{file}" for file in (*step.makes, NOTE)}
        json.dumps(run.settings(step.name))
        assert run.task(step.name).makes
    assert len(run.steps) == len(declare(run.profile))


@pytest.mark.parametrize("name", ["tiny", "truth"])
def test_every_parameter_that_computes_is_given_to_some_step(name):
    run = Run(load_profile(name))
    keys = {key for step in run.steps.values() for key in step.settings}
    keys |= {"truth"} if name == "truth" else set()
    covered = [
        key
        for group, value in run.profile.parameters.items()
        for key in ([f"{group}.{inner}" for inner in value] if isinstance(value, dict) else [group])
    ]
    missing = {key for key in covered if key not in keys and key.partition(".")[0] not in keys}
    assert missing <= {"about", "seed"}


def test_a_step_can_read_nothing_that_it_does_not_declare(workshop):
    def pry(task: Task, folder: Path) -> None:
        assert task.profile.pruning.set_size == 3
        for secret in ("seed", "collection"):
            assert not hasattr(task.profile, secret)
        assert not hasattr(task.profile.pruning, "reviews")
        with pytest.raises(KeyError):
            task.file("a", "other.txt")

    workshop.instead["b"] = pry
    assert "b" in a_run().make()


def test_what_is_not_declared_is_not_made(workshop):
    workshop.instead["a"] = lambda task, folder: (folder / "more.txt").write_text("x")
    with pytest.raises(RuntimeError, match=r"more\.txt"):
        a_run().make("a")
    assert not a_run().is_there("a")


def die(task: Task, folder: Path) -> None:
    (folder / "half.txt").write_text("hal")
    (task.scratch / "checkpoint").write_text("half way")
    raise KeyboardInterrupt


def test_a_kill_leaves_the_old_untouched_and_the_next_goes_on_from_its_checkpoint(workshop):
    run = a_run()
    run.make()
    old = {path: path.read_bytes() for path in run.files("b")}
    workshop.instead["b"] = die
    with pytest.raises(KeyboardInterrupt):
        perform(run.task("b"))
    assert {path: path.read_bytes() for path in old} == old
    found: list[bool] = []
    workshop.instead["b"] = lambda task, folder: found.append((task.scratch / "checkpoint").exists())
    other = load_profile("tiny").pruning.model_copy(update={"set_size": 5})
    perform(a_run(pruning=other).task("b"))
    assert found == [False], "other settings do not go on from it"
    workshop.instead["b"] = die
    with pytest.raises(KeyboardInterrupt):
        perform(run.task("b"))
    workshop.instead["b"] = lambda task, folder: found.append((task.scratch / "checkpoint").exists())
    perform(run.task("b"))
    assert found == [False, True]
    assert left_over(run) == []


def test_another_input_does_not_go_on_from_a_checkpoint(workshop):
    run = a_run()
    run.make("a")
    before = run.task("b").scratch
    workshop.instead["a"] = lambda task, folder: None
    (run.place("a") / "a.txt").write_text("other")
    note = json.loads((run.place("a") / NOTE).read_text())
    perform(run.task("a"))
    assert json.loads((run.place("a") / NOTE).read_text())["files"] == note["files"]
    assert run.task("b").scratch == before
    workshop.make = None
    sys.modules["txray_lib.steps.fake"].make = lambda task, folder: (folder / "a.txt").write_text("new")
    perform(run.task("a"))
    assert run.task("b").scratch != before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_nothing_good_is_overwritten(workshop, number):
    def full(task: Task, folder: Path) -> None:
        raise OSError(number, "No space left on device")

    run = a_run()
    run.make()
    old = {path: path.read_bytes() for path in run.files("b")}
    workshop.instead["b"] = full
    with pytest.raises(TxrayError, match=r"no space left on the disk while writing .*Free some"):
        perform(run.task("b"))
    assert {path: path.read_bytes() for path in old} == old


def test_another_error_of_the_system_stays_what_it_is(workshop):
    def broken(task: Task, folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    workshop.instead["a"] = broken
    with pytest.raises(OSError, match="Input/output"):
        a_run().make()


@pytest.mark.parametrize("file", ["b.txt", "sub/b.txt", NOTE])
def test_a_damaged_file_is_named_and_never_used(workshop, file):
    run = a_run()
    run.make("b")
    path = run.place("b") / file
    whole, draw = path.read_bytes(), random.Random(1)
    for _ in range(20):
        place, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        with pytest.raises(TxrayError, match=rf"{path.name} is damaged.*Delete"):
            run.make("tables")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TxrayError, match="is damaged"):
        run.make("tables")
    path.write_bytes(whole)
    assert run.make("tables") == ["tables"]


def test_a_file_that_is_missing_is_made_again(workshop):
    run = a_run()
    run.make()
    (run.place("b") / "b.txt").unlink()
    with pytest.raises(TxrayError, match="is missing"):
        run.file("b", "b.txt")
    assert run.make() == ["b"]


def test_a_misspelt_step_names_the_nearest(workplace):
    run = Run(load_profile("tiny"))
    with pytest.raises(TxrayError, match=r"no step 'prunee' in the profile 'tiny'. Did you mean 'prune'\?"):
        run.make("prunee")
    with pytest.raises(TxrayError, match="no step"):
        run.is_there("collect-nothing")


def test_a_run_stays_inside_the_compendium_and_shares_no_folder(workplace):
    runs = [Run(load_profile(name)) for name in ("tiny", "demo")]
    places_of = [{run.place(name) for name in run.steps} for run in runs]
    assert not places_of[0] & places_of[1]
    assert all(workplace / "build" in place.parents for place in places_of[0] | places_of[1])
    assert runs[0].place("tables") == places.live_results("tiny")
