"""A function for each step of a run, files in and files out, and what it is given. May touch: every room of the computing half.

    prepare   corpora, tags, vocabulary
    train     pretrain, finetune, and the same for controls
    collect   collect, its shards, and the same for controls
    compare   preferences, transfer, controls
    quote     contexts
    permute   nulls
    score     prune, probe
    reread    recollect, definitions
    recover   sentence; truth-seed-K of a study of what is known
    gather    tables

A step's files get their place in one move: whole, with a hash of each, or not at all (law 8).
"""

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
from txray_lib.tables import commit, versions

NOTE = "step.json"
"""Lies in the folder of every finished step: its time, commit, versions, and the sha256 of each file."""


@dataclass(frozen=True)
class Task:
    """A step on its way. Its function can read what is declared here and nothing else.

    function   below `txray_lib.steps`, as "train.pretrain"; it is called with the task, a folder, and `arguments`
    profile    the declared settings alone, under their own names: another one is no attribute
    needs      the folders of the earlier steps that it reads
    place      what the folder that it writes into becomes
    own        the user's own files by the name that the profile gives them
    key        a hash of settings, arguments and code
    """

    name: str
    function: str
    arguments: dict[str, Any]
    profile: SimpleNamespace
    needs: dict[str, Path]
    own: dict[str, Path]
    place: Path
    workshop: Path
    key: str
    device: str = "cpu"

    def file(self, step: str, name: str) -> Path:
        """A file of an earlier step, as that step wrote it. Raises TxrayError where it is missing or damaged."""
        return require_whole(self.needs[step], name)

    def say(self, line: str) -> None:
        say(f"    {line}")

    @cached_property
    def scratch(self) -> Path:
        """A folder that outlives a kill, for checkpoints and parts: the same for the same settings, code and input."""
        given = {"key": self.key} | {step: read_note(place)["files"] for step, place in self.needs.items()}
        folder = self.workshop / ".unfinished" / f"{self.name}.{_digest(given)[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def perform(task: Task) -> None:
    """Make a step. What was in its place stays there until all of it is written."""
    began = time.monotonic()
    partial = task.workshop / f".{task.name}.partial"
    with places.full_disk_told(task.place):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        module, _, name = task.function.rpartition(".")
        function = getattr(importlib.import_module(f"txray_lib.steps.{module}"), name)
        say(f"{task.name}: {(function.__doc__ or '').partition(chr(10))[0]}")
        function(task, partial, **task.arguments)
        seconds = round(time.monotonic() - began, 2)
        _write_note(partial, seconds)
        task.place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(task.place, ignore_errors=True)
        os.replace(partial, task.place)
    for old in (task.workshop / ".unfinished").glob(f"{task.name}.*"):
        shutil.rmtree(old, ignore_errors=True)
    say(f"    {task.name}: {seconds:.1f} s")


def _write_note(folder: Path, seconds: float) -> None:
    made = {p.relative_to(folder).as_posix(): places.file_hash(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    note = {"seconds": seconds, "commit": commit(), "versions": versions(), "files": made}
    places.write_text(json.dumps({**note, "whole": _digest(note)}, indent=1), folder / NOTE)


def read_note(place: Path) -> dict[str, Any]:
    """What is noted of the step whose files are in `place`. Raises TxrayError where the note is missing or damaged."""
    try:
        note = json.loads((place / NOTE).read_text(encoding="utf-8"))
        if note.pop("whole") == _digest(note):
            return note
    except FileNotFoundError:
        raise TxrayError(f"{place} holds no finished step: `txray run` makes it.") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise TxrayError(f"{place / NOTE} is damaged. Delete the folder {place} and run the same command again.")


def is_whole(place: Path) -> bool:
    """Whether all files of a finished step exist; whether one is damaged is seen when it is read."""
    return (place / NOTE).is_file() and all((place / name).is_file() for name in read_note(place)["files"])


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


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
