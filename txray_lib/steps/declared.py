"""What a step of the plan is, and what several steps read. May touch: profiles, stages, steps.task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from txray_lib.profiles import Profile
from txray_lib.stages import Stage

STAGES = ("corpora.pretraining.name", "corpora.target.name", "pretraining.snapshots")
"""The settings that `stages` and `comparisons` follow from."""
WORDS = "vocabulary/vocabulary.json"
ENCODED = (WORDS, "vocabulary/texts-*")
SCORED = (*ENCODED, "finetune/supervised.safetensors", "finetune/hidden-*")
RECORDS = ("records.parquet", "counts.json")


@dataclass(frozen=True)
class Step:
    """One step, as `task.Task` is made of it.

    rule      what several steps of a kind have in common, as "collect"
    reads     files of earlier steps, as "tags/target.parquet"; `declare` is written with patterns, as "tags/*.parquet"
    settings  dotted keys of the profile
    own       the user's own files, as the profile names them
    """

    name: str
    about: str
    function: str
    makes: tuple[str, ...]
    reads: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    rule: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """The steps whose files it reads."""
        return tuple(dict.fromkeys(file.partition("/")[0] for file in self.reads))


def weights(stage: Stage) -> str:
    return f"{'finetune' if stage.role == 'supervised' else 'pretrain'}/{stage.snapshot}.safetensors"


def last(profile: Profile) -> str:
    return f"pretrain/epoch-{profile.pretraining.epochs}.safetensors"


def sides(pairs: Iterable[Any]) -> tuple[str, ...]:
    return unique(side for pair in pairs for side in (pair.before, pair.after))


def unique(files: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(files))
