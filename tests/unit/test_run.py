"""A run without Snakemake, and what a step is given: declared steps and settings alone, its place in one move, its note."""

import errno
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from txray_lib import places
from txray_lib.engine import run
from txray_lib.engine.plan import Step
from txray_lib.engine.run import Run
from txray_lib.errors import TxrayError
from txray_lib.profiles import list_profiles, load_profile
from txray_lib.steps import NOTE, Task, perform

STEPS = [
    Step("a", "fake.make", settings=("seed",)),
    Step("b", "fake.make", ("a",), ("pruning.set_size",)),
    Step("tables", "fake.make", ("b",), ("name",)),
]
FILES = ("text.txt", "sub/text.txt")


class Workshop:
    """Three fake steps — a, then b, then tables — that note when they ran, and can be told to do something before."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.before: dict[str, Callable[[Task, Path], None]] = {}

    def make(self, task: Task, folder: Path) -> None:
        self.made.append(task.name)
        self.before.get(task.name, lambda task, folder: None)(task, folder)
        read = [task.file(step, name).read_text() for step in task.needs for name in FILES]
        (folder / "sub").mkdir()
        for name in FILES:
            (folder / name).write_text(f"{task.name} of {''.join(read)}")


@pytest.fixture
def workshop(workplace, monkeypatch) -> Workshop:
    shop, fake = Workshop(), ModuleType("txray_lib.steps.fake")
    fake.make = shop.make
    monkeypatch.setitem(sys.modules, "txray_lib.steps.fake", fake)
    monkeypatch.setattr(run, "declare", lambda profile: STEPS)
    monkeypatch.setattr(Run, "code", lambda self, name: "code")
    return shop


def a_run(**changes: object) -> Run:
    return Run(load_profile("tiny").model_copy(update=changes))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_steps_run_in_order_and_what_is_there_is_taken_as_done(workshop):
    made = a_run()
    assert [made.make("b"), made.make(), made.make()] == [["a", "b"], ["tables"], []]
    assert workshop.made == ["a", "b", "tables"]
    assert (places.live_results("tiny") / "text.txt").read_text().startswith("tables of b of a of")
    assert {p.name for p in made.folder.rglob("*")} == {"a", "b", "sub", "text.txt", NOTE}


@pytest.mark.parametrize("name", list_profiles())
def test_declared_steps_need_earlier_ones_and_are_given_what_the_profile_has(name):
    made = Run(load_profile(name))
    known: set[str] = set()
    for step in made.steps.values():
        assert set(step.needs) <= known, step.name
        known.add(step.name)
        json.dumps(made.settings(step.name))
        assert made.task(step.name).needs.keys() == set(step.needs)


@pytest.mark.parametrize("name", ["tiny", "truth"])
def test_every_parameter_that_computes_is_given_to_some_step(name):
    made = Run(load_profile(name))
    keys = {key for step in made.steps.values() for key in step.settings} | ({"truth"} if name == "truth" else set())
    for group, value in made.profile.parameters.items():
        for key in [f"{group}.{inner}" for inner in value] if isinstance(value, dict) else [group]:
            assert key in keys or group in keys or key in ("about", "seed"), key


def test_a_step_can_read_nothing_that_it_does_not_declare(workshop):
    def pry(task: Task, folder: Path) -> None:
        assert task.profile.pruning.set_size == 3
        assert not hasattr(task.profile, "seed")
        assert not hasattr(task.profile.pruning, "reviews")
        with pytest.raises(KeyError):
            task.file("tables", FILES[0])

    workshop.before["b"] = pry
    assert "b" in a_run().make()


def test_a_kill_leaves_the_old_untouched_and_only_the_same_work_goes_on_from_its_checkpoint(workshop):
    made, found = a_run(), []
    made.make()

    def die(task: Task, folder: Path) -> None:
        (folder / "half.txt").write_text("hal")
        (task.scratch / "checkpoint").write_text("half way")
        raise KeyboardInterrupt

    def go_on(task: Task, folder: Path) -> None:
        found.append((task.scratch / "checkpoint").exists())

    def kill() -> None:
        workshop.before["b"] = die
        with pytest.raises(KeyboardInterrupt):
            perform(made.task("b"))
        workshop.before["b"] = go_on

    old = contents(made.place("b"))
    kill()
    assert contents(made.place("b")) == old
    perform(a_run(pruning=made.profile.pruning.model_copy(update={"set_size": 5})).task("b"))
    kill()
    workshop.before["a"] = lambda task, folder: (folder / "more.txt").write_text("other input")
    perform(made.task("a"))
    perform(made.task("b"))
    kill()
    perform(made.task("b"))
    assert found == [False, False, True]
    assert not list((made.folder / ".unfinished").iterdir())


def test_a_full_disk_is_told_and_nothing_good_is_overwritten(workshop):
    """Of other errors: `test_places`."""

    def fail(task: Task, folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left")

    made = a_run()
    made.make()
    old = contents(made.place("b"))
    workshop.before["b"] = fail
    with pytest.raises(TxrayError, match=r"no space left on the disk while writing .*Free some"):
        perform(made.task("b"))
    assert contents(made.place("b")) == old


@pytest.mark.parametrize("file", [*FILES, NOTE])
def test_a_damaged_file_is_named_and_never_used(workshop, file):
    made = a_run()
    made.make("b")
    path = made.place("b") / file
    whole, draw = path.read_bytes(), random.Random(1)
    for _ in range(20):
        place, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        with pytest.raises(TxrayError, match=rf"{path.name} is damaged.*Delete"):
            made.make("tables")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TxrayError, match="is damaged"):
        made.make("tables")
    path.write_bytes(whole)
    assert made.make("tables") == ["tables"]


def test_a_file_that_is_missing_is_made_again(workshop):
    made = a_run()
    made.make()
    (made.place("b") / FILES[0]).unlink()
    with pytest.raises(TxrayError, match="is missing"):
        made.file("b", FILES[0])
    assert made.make() == ["b"]


def test_a_run_stays_inside_the_compendium_and_shares_no_folder(workplace):
    runs = [Run(load_profile(name)) for name in ("tiny", "demo")]
    folders = [{made.place(name) for name in made.steps} for made in runs]
    assert not folders[0] & folders[1]
    assert all(workplace / "build" in folder.parents for folder in folders[0] | folders[1])
