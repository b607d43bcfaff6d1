"""What the function of a step is given, and how its files get their place: whole, with a hash of each, or not at all.

May touch: errors, places, profiles, provenance.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import txray_lib.profiles  # noqa: F401  a task that is sent to another process holds groups of a profile
from txray_lib import places
from txray_lib.errors import TxrayError
from txray_lib.provenance import commit, versions

NOTE = "step.json"
"""Lies in the folder of every finished step: its time, commit, versions, and the sha256 of each file."""


@dataclass(frozen=True)
class Task:
    """A step on its way. Its function can read what is declared here and nothing else.

    function   below `txray_lib.steps`, as "models.pretrain"; it is called with the task, a folder, and `arguments`
    profile    the declared settings alone, under their own names: another one is no attribute
    reads      files of earlier steps, as "tags/target.parquet", and where they lie
    makes      names of the files that it writes into the folder, which then becomes `place`
    own        the user's own files by the name that the profile gives them
    key        a hash of settings, arguments and code
    """

    name: str
    function: str
    arguments: dict[str, Any]
    profile: SimpleNamespace
    reads: dict[str, Path]
    makes: tuple[str, ...]
    own: dict[str, Path]
    place: Path
    workshop: Path
    key: str
    device: str = "cpu"

    def file(self, step: str, name: str) -> Path:
        """A file of an earlier step, as that step wrote it. Raises TxrayError where it is missing or damaged."""
        file = f"{step}/{name}"
        return require_whole(_place(self.reads[file], file), name)

    def has(self, step: str, name: str) -> bool:
        """Whether the step reads this file."""
        return f"{step}/{name}" in self.reads

    def note(self, step: str) -> dict[str, Any]:
        """What is noted of an earlier step: seconds, commit, versions, files."""
        return read_note(self.reads[f"{step}/{NOTE}"].parent)

    def own_file(self, name: str) -> Path:
        """Where a file of the user's own lies."""
        return self.own[name]

    def say(self, line: str) -> None:
        print(f"    {line}", file=sys.stderr, flush=True)

    @cached_property
    def scratch(self) -> Path:
        """A folder that outlives a kill, for checkpoints and parts: the same for the same settings, code and input."""
        read = {file: read_note(_place(path, file))["files"][_name(file)] for file, path in self.reads.items()}
        whole = json.dumps([self.key, read], sort_keys=True)
        folder = self.workshop / ".unfinished" / f"{self.name}.{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def perform(task: Task) -> float:
    """Make a step: seconds that it took. What was in its place stays there until all of it is written."""
    began = time.monotonic()
    partial = task.workshop / f".{task.name}.partial"
    with places.full_disk_told(task.place):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        module, _, name = task.function.rpartition(".")
        getattr(importlib.import_module(f"txray_lib.steps.{module}"), name)(task, partial, **task.arguments)
        _write_note(task, partial, round(time.monotonic() - began, 2))
        task.place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(task.place, ignore_errors=True)
        os.replace(partial, task.place)
    for old in (task.workshop / ".unfinished").glob(f"{task.name}.*"):
        shutil.rmtree(old, ignore_errors=True)
    return time.monotonic() - began


def _write_note(task: Task, folder: Path, seconds: float) -> None:
    made = {p.relative_to(folder).as_posix(): places.file_hash(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    if set(made) != set(task.makes):
        raise RuntimeError(f"{task.name} wrote {sorted(made)} and declares {sorted(task.makes)}")
    note = {"seconds": seconds, "commit": commit(), "versions": versions(), "files": made}
    places.write_text(json.dumps({**note, "whole": _digest(note)}, indent=1), folder / NOTE)


def read_note(place: Path) -> dict[str, Any]:
    """What is noted of the step whose files are in `place`. Raises TxrayError where the note is missing or damaged."""
    try:
        note = json.loads((place / NOTE).read_text(encoding="utf-8"))
        if note.pop("whole") == _digest(note):
            return {**note, "files": {**note["files"], NOTE: _digest(note)}}
    except FileNotFoundError:
        raise TxrayError(f"{place} holds no finished step: `txray run` makes it.") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise TxrayError(f"{place / NOTE} is damaged. Delete the folder {place} and run the same command again.")


def require_whole(place: Path, name: str) -> Path:
    """The path of a file of a finished step. Raises TxrayError where it is not there, or not as the step wrote it."""
    path, note = place / name, read_note(place)
    if not path.is_file():
        raise TxrayError(f"{path} is missing. Run the same command again: it is made anew.")
    if places.file_hash(path) != note["files"].get(name):
        raise TxrayError(
            f"{path} is damaged: it is not what its step wrote. Delete it and run the same command again, which makes it anew."
        )
    return path


def _digest(note: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()


def _name(file: str) -> str:
    return file.partition("/")[2]


def _place(path: Path, file: str) -> Path:
    return path.parents[file.count("/") - 1]
