"""The steps of a run, declared once: what each needs, which parameters and which code it depends on. May touch: steps.

`Run.make` walks the steps in order on one machine; the Snakefile reads the same declarations. A step writes into a
folder of its own, named after its fingerprint, which takes the step's place in one move: what is on disk is whole or
absent, a kill loses no more than the time since a checkpoint, and nothing good is overwritten.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from txray_lib import places
from txray_lib.errors import TxrayError, nearest
from txray_lib.profiles import Profile
from txray_lib.provenance import commit, versions

_DONE = "step.json"
_DATA = (".yaml", ".npz")


@dataclass(frozen=True)
class Step:
    """One step: `run(run, folder)` writes its files into `folder`, reading those of the steps it `needs`.

    settings: dotted keys of the profile; code: modules of the library, as "training/pretraining"; place: the folder that
    the files end up in, where it is not the run's own; files: the user's own that it reads, as the profile names them.
    """

    name: str
    about: str
    needs: tuple[str, ...]
    settings: tuple[str, ...]
    code: tuple[str, ...]
    run: Callable[[Run, Path], None]
    place: Path | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A profile on its way: where its steps' files lie, and on which device it computes."""

    profile: Profile
    device: str = "cpu"
    say: Callable[[str], None] = print

    @cached_property
    def steps(self) -> dict[str, Step]:
        """The steps in an order in which each comes after what it needs."""
        from txray_lib.steps import declare

        return {step.name: step for step in declare(self.profile)}

    @property
    def folder(self) -> Path:
        return places.run_folder(self.profile.name)

    def file(self, step: str, name: str) -> Path:
        """A file that a finished step made."""
        return self.place(step) / name

    def place(self, step: str) -> Path:
        """The folder of a finished step."""
        return self.step(step).place or self.folder / step

    def step(self, name: str) -> Step:
        if name not in self.steps:
            raise TxrayError(
                f"there is no step {name!r} in the profile {self.profile.name!r}. {nearest(name, self.steps)}"
            )
        return self.steps[name]

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """For each step a hash of all that its files follow from: parameters, code, the user's own files, and the same of what
        it needs."""
        found: dict[str, str] = {}
        for name, step in self.steps.items():
            parts = {
                "settings": {key: self.profile.part(key) for key in step.settings},
                "code": {module: code_hash(module) for module in step.code},
                "needs": {need: found[need] for need in step.needs},
            }
            if step.files:
                parts["files"] = {file: content_hash(self.profile.own_file(file)) for file in step.files}
            found[name] = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return found

    def fingerprint(self, name: str) -> str:
        """The fingerprint of one step."""
        return self.fingerprints[self.step(name).name]

    def is_done(self, name: str) -> bool:
        """Whether the step's files are there, whole, and made with these parameters and this code."""
        try:
            done = json.loads(self.file(name, _DONE).read_text(encoding="utf-8"))
            files, fingerprint = done["files"].items(), done["fingerprint"]
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return False
        whole = all(
            self.file(name, file).is_file() and self.file(name, file).stat().st_size == size for file, size in files
        )
        return whole and fingerprint == self.fingerprint(name)

    def make(self, target: str | None = None) -> list[str]:
        """Make what is not done of `target` (default: everything) and of what it needs; gives the names of steps made."""
        wanted = self.needed(target)
        made = []
        for number, name in enumerate(wanted, 1):
            if not self.is_done(name):
                self.say(f"[{number}/{len(wanted)}] {name}: {self.steps[name].about}")
                self.make_step(name)
                made.append(name)
        return made

    def make_step(self, name: str) -> None:
        """Make one step whose needs are done. Raises TxrayError where another process is making it."""
        step = self.step(name)
        if missing := [need for need in step.needs if not self.is_done(need)]:
            raise TxrayError(
                f"the step {name!r} needs {', '.join(missing)}. `txray run {self.profile.name}` makes them all."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with places.full_disk_told(self.folder), FileLock(self.folder / f".{name}.lock", timeout=0):
                self._make_step(step)
        except Timeout:
            raise TxrayError(
                f"another process is making {name!r} of {self.profile.name!r}. Wait for it, or stop it."
            ) from None

    def _make_step(self, step: Step) -> None:
        fingerprint = self.fingerprint(step.name)
        partial = self.folder / f".{step.name}-{fingerprint}.partial"
        partial.mkdir(exist_ok=True)
        for torn in partial.rglob(".*.partial"):
            torn.unlink()
        began = time.monotonic()
        step.run(self, partial)
        (partial / "checkpoint.safetensors").unlink(missing_ok=True)
        made = [p for p in sorted(partial.rglob("*")) if p.is_file() and p.name != _DONE]
        files = {str(p.relative_to(partial)): p.stat().st_size for p in made}
        done = {
            "fingerprint": fingerprint,
            "seconds": round(time.monotonic() - began, 2),
            "commit": commit(),
            "versions": versions(),
            "files": files,
        }
        places.write_text(json.dumps(done, indent=1), partial / _DONE)
        final = self.place(step.name)
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)
        for stale in self.folder.glob(f".{step.name}-{'[0-9a-f]' * len(fingerprint)}.partial"):
            shutil.rmtree(stale, ignore_errors=True)
        self.say(f"    {done['seconds']:.1f} s")

    def done_steps(self) -> dict[str, dict[str, Any]]:
        """What is known of each step that was made: seconds, commit, versions, files."""
        paths = {name: self.file(name, _DONE) for name in self.steps}
        return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.is_file()}

    def needed(self, target: str | None = None) -> list[str]:
        """The names of a step and of all that it needs, in order; of all steps without a target."""
        if target is None:
            return list(self.steps)
        needed, queue = set(), [self.step(target).name]
        while queue:
            name = queue.pop()
            needed.add(name)
            queue += self.steps[name].needs
        return [name for name in self.steps if name in needed]


def content_hash(path: Path) -> str:
    """The sha256 of a file's content; empty where there is none to read, which the step that reads it tells."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


@cache
def code_hash(module: str) -> str:
    """A hash of what a module or package of the library does: its code without comments, docstrings and layout, its data."""
    base = Path(__file__).parent / module
    files = sorted(base.rglob("*.*")) if base.is_dir() else [base.with_suffix(suffix) for suffix in (".py", *_DATA)]
    digest = hashlib.sha256()
    for file in files:
        if file.suffix == ".py":
            digest.update(_meaning(file).encode())
        elif file.suffix in _DATA and file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _meaning(file: Path) -> str:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return _spelt(tree)


def _spelt(node: Any) -> str:
    """A syntax tree as text, the same from every version of Python.

    `ast.dump` names empty fields that newer versions added, and some put an empty text behind the parts of an f-string.
    """
    if isinstance(node, list):
        return f"[{','.join(map(_spelt, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.JoinedStr):
        node.values = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
    fields = (f"{name}={_spelt(value)}" for name, value in ast.iter_fields(node) if value is not None and value != [])
    return f"{type(node).__name__}({','.join(fields)})"
