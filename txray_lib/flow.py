"""A run: a profile, its steps, where their files lie. May touch: steps.

Snakemake makes a run (`engine`). Where it is not installed, as on a borrowed machine, `Run.make` calls the same functions in
order and takes what is there as done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from txray_lib import places
from txray_lib.errors import TxrayError, nearest
from txray_lib.profiles import Profile
from txray_lib.steps.declared import Step
from txray_lib.steps.plan import declare
from txray_lib.steps.task import NOTE, Task, perform, require_whole
from txray_lib.tracking import code_hash, module_file


@dataclass(frozen=True)
class Run:
    """A profile on its way, and on which device it computes."""

    profile: Profile
    device: str = "cpu"
    say: Callable[[str], None] = print

    @cached_property
    def steps(self) -> dict[str, Step]:
        """The steps in an order in which each comes after what it needs."""
        return {step.name: step for step in declare(self.profile)}

    @property
    def folder(self) -> Path:
        return places.run_folder(self.profile.name)

    def place(self, step: str) -> Path:
        """The folder that a step's files end up in."""
        name = self.step(step).name
        return places.live_results(self.profile.name) if name == "tables" else self.folder / name

    def path(self, file: str) -> Path:
        """Where a step's file lies or will lie, as "tags/target.parquet"."""
        step, _, name = file.partition("/")
        return self.place(step) / name

    def file(self, step: str, name: str) -> Path:
        """A file that a finished step made. Raises TxrayError where it is missing or damaged."""
        return require_whole(self.place(step), name)

    def files(self, step: str) -> list[Path]:
        """All that a step makes."""
        return [self.place(step) / name for name in (*self.step(step).makes, NOTE)]

    def step(self, name: str) -> Step:
        if name not in self.steps:
            raise TxrayError(
                f"there is no step {name!r} in the profile {self.profile.name!r}. {nearest(name, self.steps)}"
            )
        return self.steps[name]

    def settings(self, name: str) -> dict[str, Any]:
        """The plain values that a step is given: settings of the profile, and arguments."""
        step = self.step(name)
        arguments = {key: asdict(v) if is_dataclass(v) else v for key, v in step.arguments.items()}
        return {**{key: self.profile.part(key) for key in step.settings}, **arguments}

    def code(self, name: str) -> str:
        """The hash of the code that a step runs."""
        return code_hash(module_file(f"steps.{self.step(name).function.partition('.')[0]}"))

    def task(self, name: str) -> Task:
        """What the function of a step is given."""
        step = self.step(name)
        key = json.dumps([self.settings(name), self.code(name)], sort_keys=True)
        return Task(
            name=name,
            function=step.function,
            arguments=dict(step.arguments),
            profile=_part(self.profile, step.settings),
            reads={file: self.path(file) for file in step.reads},
            makes=step.makes,
            own={file: self.profile.own_file(file) for file in step.own},
            place=self.place(name),
            workshop=self.folder,
            key=hashlib.sha256(key.encode()).hexdigest(),
            device=self.device,
        )

    def is_there(self, name: str) -> bool:
        """Whether all of a step's files exist; not whether they are up to date, which Snakemake knows."""
        return all(path.is_file() for path in self.files(name))

    def make(self, *until: str) -> list[str]:
        """Make the steps whose files are not there, in order, in this process; gives their names."""
        made = []
        for name in self.needed(until):
            if not self.is_there(name):
                self.say(f"{name}: {self.steps[name].about}")
                self.say(f"    {perform(self.task(name)):.1f} s")
                made.append(name)
        return made

    def needed(self, until: Sequence[str] = ()) -> list[str]:
        """The names of some steps and of all that they need, in order; of all steps where none is named."""
        needed, queue = set(), [self.step(name).name for name in until or self.steps]
        while queue:
            name = queue.pop()
            needed.add(name)
            queue += self.steps[name].needs
        return [name for name in self.steps if name in needed]


def _part(profile: Profile, keys: tuple[str, ...]) -> SimpleNamespace:
    """The settings with these dotted keys, under their own names, and nothing else of the profile."""
    part = SimpleNamespace()
    for key in keys:
        *groups, last = key.split(".")
        value, here = profile, part
        for group in groups:
            value = getattr(value, group)
            if not hasattr(here, group):
                setattr(here, group, SimpleNamespace())
            here = getattr(here, group)
        if isinstance(here, SimpleNamespace):
            setattr(here, last, getattr(value, last))
    return part
