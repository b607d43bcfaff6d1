"""A run: a profile, its steps, where their files lie, and what they hold. May touch: steps, profiles, corpora, encoders, places.

Snakemake makes a run (`engine`). Where it is not installed, as on a borrowed machine, `Run.make` calls the same functions in
order and takes what is there as done.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from txray_lib import places
from txray_lib.corpora import Corpus, Vocabulary
from txray_lib.corpora.documents import load_corpus_file
from txray_lib.engine.plan import Step, declare
from txray_lib.engine.tracking import code_hash, module_file
from txray_lib.errors import TxrayError, nearest
from txray_lib.profiles import Profile
from txray_lib.stages import stages
from txray_lib.steps import NOTE, Task, is_whole, perform, require_whole

if TYPE_CHECKING:
    from txray_lib.encoders.layered import LayeredEncoder
    from txray_lib.encoders.lstm import Classifier, Encoder
    from txray_lib.encoders.pieces import Pieces


_SMALL = 256
"""Units below which a second thread of PyTorch gains nothing."""


@dataclass(frozen=True)
class Run:
    """A profile on its way, and on which device it computes."""

    profile: Profile
    device: str = "cpu"

    @cached_property
    def steps(self) -> dict[str, Step]:
        """The steps in an order in which each comes after what it needs."""
        return {step.name: step for step in declare(self.profile)}

    @property
    def folder(self) -> Path:
        return places.run_folder(self.profile.name)

    @property
    def is_small(self) -> bool:
        """Whether a second step at once gains more than a second thread: an LSTM of few units, computed on the processor."""
        return not self.profile.in_layers and self.device == "cpu" and self.profile.pretraining.units < _SMALL

    def step(self, name: str) -> Step:
        if name not in self.steps:
            raise TxrayError(
                f"there is no step {name!r} in the profile {self.profile.name!r}. {nearest(name, self.steps)}"
            )
        return self.steps[name]

    def place(self, step: str) -> Path:
        """The folder that a step's files end up in."""
        name = self.step(step).name
        return places.live_results(self.profile.name) if name == "tables" else self.folder / name

    def note(self, step: str) -> Path:
        """The file that stands for all of a step's files: it holds a hash of each."""
        return self.place(step) / NOTE

    def file(self, step: str, name: str) -> Path:
        """A file that a finished step made. Raises TxrayError where it is missing or damaged."""
        return require_whole(self.place(step), name)

    def is_there(self, name: str) -> bool:
        """Whether all of a step's files exist; not whether they are up to date, which Snakemake knows."""
        return is_whole(self.place(name))

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
            profile=_select(self.profile, step.settings),
            needs={needed: self.place(needed) for needed in step.needs},
            own={file: self.profile.own_file(file) for file in step.own},
            place=self.place(name),
            workshop=self.folder,
            key=hashlib.sha256(key.encode()).hexdigest(),
            device=self.device,
        )

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the encoders of a finished run see of a token; one of layers has `pieces` instead."""
        if self.profile.in_layers:
            raise TxrayError(f"the run {self.profile.name!r} has a tokenizer and no vocabulary: it is `run.pieces`")
        return Vocabulary.load(self.file("vocabulary", "vocabulary.json"))

    @cached_property
    def pieces(self) -> "Pieces":
        """The tokenizer of a finished run whose encoder is read in layers; of a recurrent one its words."""
        from txray_lib.encoders.pieces import read_pieces

        return read_pieces(self.file("pretrain", "tokenizer.json").read_text(encoding="utf-8"))

    def corpus(self, which: Literal["pretraining", "target"]) -> Corpus:
        """The tagged text that the stages on a corpus read."""
        if which not in (known := ("pretraining", "target")):
            raise TxrayError(f"there is no corpus {which!r} in a run. {nearest(which, known)}")
        return load_corpus_file(self.file("tags", f"stage-{which}.parquet"))

    def model(self, stage: str) -> "Encoder | LayeredEncoder | Classifier":
        """The encoder of a stage, by its name or role; for the supervised stage the classifier."""
        known = {key: its for its in stages(self.profile) for key in (its.name, its.role)}
        if stage not in known:
            raise TxrayError(f"the profile {self.profile.name!r} has no stage {stage!r}. {nearest(stage, known)}")
        its = known[stage]
        task = self.task(next(step.name for step in self.steps.values() if step.arguments.get("stage") == its))
        if self.profile.in_layers:
            from txray_lib.steps.transform import load_stage

            return load_stage(task, its)[0]
        from txray_lib.steps.train import load_model

        return load_model(task, its)

    def make(self, *until: str) -> list[str]:
        """Make the steps whose files are not there, in order, in this process; gives their names."""
        made = [name for name in self.needed(until) if not self.is_there(name)]
        for name in made:
            perform(self.task(name))
        return made

    def needed(self, until: Sequence[str] = ()) -> list[str]:
        """The names of some steps and of all that they need, in order; of all steps where none is named."""
        needed, queue = set(), [self.step(name).name for name in until or self.steps]
        while queue:
            name = queue.pop()
            needed.add(name)
            queue += self.steps[name].needs
        return [name for name in self.steps if name in needed]


def _select(profile: Profile, keys: tuple[str, ...]) -> SimpleNamespace:
    """The settings with these dotted keys, under their own names, and nothing else of the profile."""
    selected = SimpleNamespace()
    for key in keys:
        *groups, last = key.split(".")
        value, here = profile, selected
        for group in groups:
            value = getattr(value, group)
            if not hasattr(here, group):
                setattr(here, group, SimpleNamespace())
            here = getattr(here, group)
        if isinstance(here, SimpleNamespace):
            setattr(here, last, getattr(value, last))
    return selected
