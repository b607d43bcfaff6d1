"""The flow: what is done stays done, what changed is made anew, a kill at any moment leaves only what is whole."""

from __future__ import annotations

import errno
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from txray_lib import flow, places
from txray_lib.errors import TxrayError
from txray_lib.flow import Run, Step, code_hash
from txray_lib.profiles import Profile, list_profiles, load_profile
from txray_lib.steps import declare


class Workshop:
    """Four fake steps — a, then b and d, then c — that note when they ran, and can be told to do something else."""

    def __init__(self, results: Path) -> None:
        self.made: list[str] = []
        self.instead: dict[str, Callable[[Path], None]] = {}
        self.results = results

    def declare(self, profile: Profile) -> list[Step]:
        def step(
            name: str, needs: tuple[str, ...], settings: tuple[str, ...], code: str, place: Path | None = None
        ) -> Step:
            return Step(
                name, f"make {name}", needs, settings, (code,), lambda run, folder: self.make(name, run, folder), place
            )

        return [
            step("a", (), ("seed",), "errors"),
            step("b", ("a",), ("pruning.set_size",), "stages"),
            step("d", ("a",), ("collection.tokens",), "errors"),
            step("c", ("b", "d"), ("name",), "errors", self.results / profile.name),
        ]

    def make(self, name: str, run: Run, folder: Path) -> None:
        for need in run.step(name).needs:
            assert run.file(need, f"{need}.txt").is_file(), "what a step needs is there when it runs"
        self.made.append(name)
        self.instead.get(name, lambda folder: None)(folder)
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / "more.txt").write_text(name)
        (folder / f"{name}.txt").write_text(f"{name} with {run.profile.pruning.set_size}")


@pytest.fixture
def workshop(workplace, monkeypatch) -> Workshop:
    shop = Workshop(workplace / "results-of-c")
    monkeypatch.setattr("txray_lib.steps.declare", shop.declare)
    return shop


def a_run(size: int = 3, **changes: object) -> Run:
    tiny = load_profile("tiny")
    pruning = tiny.pruning.model_copy(update={"set_size": size})
    return Run(tiny.model_copy(update={"pruning": pruning, **changes}), say=lambda line: None)


def left_over(run: Run) -> list[str]:
    return sorted(p.name for p in run.folder.rglob(".*") if p.suffix != ".lock")


def test_steps_run_in_order_and_once(workshop):
    run = a_run()
    assert run.make() == ["a", "b", "d", "c"] == workshop.made
    assert all(run.is_done(name) for name in run.steps)
    assert run.make() == []
    assert len(workshop.made) == 4
    assert left_over(run) == []


def test_a_target_makes_only_what_it_needs(workshop):
    assert a_run().make("b") == ["a", "b"]
    assert a_run().make() == ["d", "c"]


def test_the_last_step_ends_up_in_its_place(workshop):
    run = a_run()
    run.make()
    assert run.file("c", "c.txt") == workshop.results / "tiny" / "c.txt"
    assert run.file("c", "c.txt").is_file()
    assert not (run.folder / "c").exists()


@pytest.mark.parametrize("name", list_profiles())
def test_declared_steps_come_after_what_they_need_and_name_what_exists(name):
    profile = load_profile(name)
    steps = declare(profile)
    for position, step in enumerate(steps):
        assert set(step.needs) <= {earlier.name for earlier in steps[:position]}
        for key in step.settings:
            profile.part(key)
        for module in step.code:
            assert len(code_hash(module)) == 16
    assert len({step.name for step in steps}) == len(steps)


@pytest.mark.parametrize("name", ["tiny", "truth"])
def test_every_parameter_that_computes_is_a_setting_of_some_step(name):
    profile = load_profile(name)
    keys = {key for step in declare(profile) for key in step.settings}
    covered = [
        key
        for group, value in profile.parameters.items()
        for key in ([f"{group}.{inner}" for inner in value] if isinstance(value, dict) else [group])
    ]
    missing = [key for key in covered if key not in keys and key.partition(".")[0] not in keys]
    assert missing == []


def test_a_changed_parameter_undoes_its_step_and_what_depends_on_it(workshop):
    a_run().make()
    changed = a_run(size=5)
    assert [name for name in changed.steps if not changed.is_done(name)] == ["b", "c"]
    assert changed.make() == ["b", "c"]
    assert changed.file("b", "b.txt").read_text() == "b with 5"
    seed = a_run(size=5, seed=77)
    assert not any(seed.is_done(name) for name in seed.steps)


def test_a_parameter_that_no_step_has_undoes_nothing(workshop):
    a_run().make()
    assert a_run(about="other words").make() == []


def test_changed_code_undoes_its_step_and_what_depends_on_it(workshop, monkeypatch):
    a_run().make()
    monkeypatch.setattr(flow, "code_hash", lambda module: "new" if module == "stages" else code_hash(module))
    assert a_run().make() == ["b", "c"]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of two files whose code can be changed."""
    monkeypatch.setattr(flow, "__file__", str(tmp_path / "flow.py"))
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "inner.py").write_text('"""Says."""\nX = 1\n')
    (tmp_path / "room" / "words.yaml").write_text("- a\n")
    (tmp_path / "alone.py").write_text("def f(x):\n    return x + 1\n")

    def hashes() -> tuple[str, str]:
        code_hash.cache_clear()
        return code_hash("room"), code_hash("alone")

    yield tmp_path, hashes
    code_hash.cache_clear()


def test_comments_docstrings_and_layout_are_not_code(library):
    folder, hashes = library
    before = hashes()
    (folder / "room" / "inner.py").write_text('"""Says\n\nmore."""\n\n\nX = (\n    1  # one\n)\n')
    (folder / "alone.py").write_text('def f(x):\n    """Adds."""\n    # one\n    return x + 1\n')
    assert hashes() == before
    (folder / "alone.py").write_text("def f(x):\n    return x + 2\n")
    room, alone = hashes()
    assert room == before[0]
    assert alone != before[1]


@pytest.mark.parametrize("file", ["inner.py", "new.py", "words.yaml", "weights.npz"])
def test_code_and_data_of_a_package_count(library, file):
    folder, hashes = library
    before = hashes()
    (folder / "room" / file).write_text("Y = 2\n")
    room, alone = hashes()
    assert room != before[0]
    assert alone == before[1]


def test_compiled_files_do_not_count(library):
    folder, hashes = library
    before = hashes()
    (folder / "room" / "__pycache__").mkdir()
    (folder / "room" / "__pycache__" / "inner.cpython-311.pyc").write_bytes(b"\x00")
    assert hashes() == before


@pytest.mark.parametrize("file", ["b.txt", "sub/more.txt", "step.json"])
@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_a_missing_or_truncated_file_undoes_its_step(workshop, file, how):
    run = a_run()
    run.make()
    path = run.file("b", file)
    path.unlink() if how == "missing" else path.write_text(path.read_text()[:-1])
    assert not run.is_done("b")
    assert run.make() == ["b"]
    assert run.is_done("b")


@pytest.mark.parametrize(
    "content", ["", "null", "[]", "{}", '{"files": 3, "fingerprint": "x"}', '{"files": {}}', "\x00"]
)
def test_a_note_that_is_nonsense_is_not_done(workshop, content):
    run = a_run()
    run.make("a")
    run.file("a", "step.json").write_text(content)
    assert not run.is_done("a")
    assert run.make("a") == ["a"]


def die(folder: Path) -> None:
    (folder / "half.txt").write_text("hal")
    raise KeyboardInterrupt


def test_a_kill_leaves_the_old_untouched_and_the_next_run_goes_on(workshop):
    a_run().make()
    old = {p: p.read_bytes() for p in (a_run().folder / "b").rglob("*") if p.is_file()}
    workshop.instead["b"] = die
    with pytest.raises(KeyboardInterrupt):
        a_run(size=5).make()
    assert {p: p.read_bytes() for p in old} == old
    assert a_run().is_done("b"), "with the old parameters it is still done"
    assert not a_run(size=5).is_done("b")
    workshop.instead.clear()
    assert a_run(size=5).make() == ["b", "c"]
    assert left_over(a_run()) == []


def test_a_killed_step_finds_its_checkpoint_again_but_no_other_parameters_do(workshop):
    def checkpoint(folder: Path) -> None:
        (folder / "checkpoint.safetensors").write_text("half way")
        raise KeyboardInterrupt

    found: list[bool] = []
    workshop.instead["b"] = checkpoint
    with pytest.raises(KeyboardInterrupt):
        a_run(size=5).make()
    workshop.instead["b"] = lambda folder: found.append((folder / "checkpoint.safetensors").exists())
    run = a_run(size=5)
    run.make()
    assert found == [True]
    assert not run.file("b", "checkpoint.safetensors").exists(), "a finished step keeps no checkpoint"

    workshop.instead["b"] = checkpoint
    with pytest.raises(KeyboardInterrupt):
        a_run(size=6).make()
    workshop.instead["b"] = lambda folder: found.append((folder / "checkpoint.safetensors").exists())
    a_run(size=7).make()
    assert found == [True, False]
    assert left_over(run) == [], "the partial folder of size 6 is stale and gone"


def test_what_a_kill_tore_is_not_part_of_the_result(workshop):
    def torn(folder: Path) -> None:
        (folder / ".weights.safetensors.123.partial").write_text("torn")
        raise KeyboardInterrupt

    workshop.instead["b"] = torn
    with pytest.raises(KeyboardInterrupt):
        a_run().make()
    workshop.instead.clear()
    run = a_run()
    run.make()
    assert left_over(run) == []
    assert sorted(json.loads(run.file("b", "step.json").read_text())["files"]) == ["b.txt", "sub/more.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_nothing_good_is_overwritten(workshop, number):
    def full(folder: Path) -> None:
        raise OSError(number, "No space left on device")

    a_run().make()
    workshop.instead["b"] = full
    with pytest.raises(TxrayError, match=r"no space left on the disk while writing .*Free some"):
        a_run(size=5).make()
    assert a_run().is_done("b")
    workshop.instead.clear()
    assert a_run(size=5).make() == ["b", "c"]


def test_another_error_of_the_system_stays_what_it_is(workshop):
    def broken(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    workshop.instead["a"] = broken
    with pytest.raises(OSError, match="Input/output"):
        a_run().make()


def test_a_step_whose_needs_are_not_done_is_an_error(workshop):
    with pytest.raises(TxrayError, match=r"the step 'c' needs b, d\. `txray run tiny` makes them all"):
        a_run().make_step("c")
    assert workshop.made == []


def test_a_step_that_another_process_makes_is_an_error(workshop):
    run = a_run()
    run.make("a")
    with FileLock(run.folder / ".b.lock"), pytest.raises(TxrayError, match=r"another process is making 'b' of 'tiny'"):
        run.make()
    assert workshop.made == ["a"]
    assert run.make() == ["b", "d", "c"], "a lock that nobody holds is no obstacle"


def test_a_misspelt_step_names_the_nearest(workplace):
    run = Run(load_profile("tiny"))
    with pytest.raises(TxrayError, match=r"no step 'prunee' in the profile 'tiny'. Did you mean 'prune'\?"):
        run.make("prunee")
    with pytest.raises(TxrayError, match="no step"):
        run.is_done("collect-nothing")


def test_two_profiles_do_not_share_folders(workshop):
    tiny, demo = a_run(), Run(load_profile("demo"), say=lambda line: None)
    tiny.make()
    assert not any(demo.is_done(name) for name in demo.steps)
    assert demo.make() == ["a", "b", "d", "c"]
    assert tiny.make() == []
    assert tiny.file("b", "b.txt").read_text() == "b with 3"


def test_a_run_stays_inside_the_compendium(workplace):
    run = Run(load_profile("tiny"))
    for name in run.steps:
        assert workplace / "build" in run.place(name).parents
    assert run.place("tables") == places.live_results("tiny")


def test_what_is_known_of_finished_steps(workshop):
    run = a_run()
    run.make("b")
    known = run.done_steps()
    assert list(known) == ["a", "b"]
    for step in known.values():
        assert step["seconds"] >= 0
        assert step["commit"] == "unknown"
        assert step["versions"]["python"] == platform.python_version()


_SPELL = """
import ast, hashlib, sys
from pathlib import Path
from typing import Any
library = Path(sys.argv[1])
wanted = [n for n in ast.parse((library / "flow.py").read_text(encoding="utf-8")).body
          if isinstance(n, ast.FunctionDef) and n.name in ("_meaning", "_spelt")]
exec(compile(ast.Module(wanted, []), "flow", "exec"))
digest = hashlib.sha256()
for file in sorted(library.rglob("*.py")):
    digest.update(_meaning(file).encode())
print(digest.hexdigest())
"""


def test_code_means_the_same_to_every_version_of_python():
    """Steps made by one version are taken over by another, as on a machine that has a GPU."""
    library = Path(flow.__file__).parent
    found = {name: shutil.which(f"python3.{name}") for name in (11, 12, 13)}
    found |= {name: path for name in (12, 13) if not found[name] and (path := _of_pyenv(name))}
    if len(paths := {*filter(None, found.values()), sys.executable}) < 2:
        pytest.skip("NO SECOND PYTHON: only one interpreter of 3.11 to 3.13 is at hand")
    told = [subprocess.run([path, "-c", _SPELL, str(library)], capture_output=True, text=True) for path in paths]
    hashes = {each.stdout for each in told if each.returncode == 0}
    assert len(hashes) == 1, [each.stderr for each in told]


def _of_pyenv(minor: int) -> str | None:
    versions = Path.home() / ".pyenv" / "versions"
    return next((str(p) for p in sorted(versions.glob(f"3.{minor}.*/bin/python"))), None)
