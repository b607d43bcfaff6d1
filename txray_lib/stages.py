"""Which stages and comparisons a profile has. May touch: profiles.

A stage is a snapshot applied to a corpus. Its role is what the paper gives a colour: untrained, early, before-last,
last (on the pretraining corpus), zero-shot, supervised (on the target corpus). Of an encoder of the user's own with fewer than
three trained snapshots none is early or before-last, and RQ1 is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from txray_lib.profiles import Profile

FEWEST_SNAPSHOTS = 3
"""With fewer trained ones there is no early and no late step of pretraining to compare."""

READ_OTHERWISE = {
    "sentence": ("last", "zero-shot"),
    "never": ("last", "zero-shot"),
    "cased": ("early", "before-last", "last", "zero-shot"),
    "marks": ("early", "before-last", "last", "zero-shot", "supervised"),
}
"""The readings of `rereading`, and the roles of the stages that are collected again in each."""


@dataclass(frozen=True)
class Stage:
    name: str
    role: str
    corpus: str
    snapshot: str
    epoch: int


@dataclass(frozen=True)
class Comparison:
    """Two stages, by name, and the question that they answer: rq1–rq3 the paper's, "epochs" every snapshot with the next,
    "control" the two halves of one stage's text."""

    question: str
    before: str
    after: str

    @property
    def name(self) -> str:
        return f"{self.before}:{self.after}"


def stages(profile: Profile) -> list[Stage]:
    """All stages in the order of training."""
    pretraining, target = profile.corpora.pretraining.name, profile.corpora.target.name
    trained = sorted(s for s in profile.pretraining.snapshots if s > 0)
    last = trained[-1]
    roles = {0: "untrained", last: "last"}
    if len(trained) >= FEWEST_SNAPSHOTS:
        roles |= {trained[0]: "early", trained[-2]: "before-last"}
    found = [
        Stage(
            f"{pretraining}-{epoch}",
            roles.get(epoch, "between"),
            pretraining,
            f"epoch-{epoch}",
            epoch,
        )
        for epoch in sorted(profile.pretraining.snapshots)
    ]
    return [
        *found,
        Stage(f"{target}-zero-shot", "zero-shot", target, f"epoch-{last}", last),
        Stage(f"{target}-supervised", "supervised", target, "supervised", last),
    ]


def comparisons(profile: Profile) -> list[Comparison]:
    """The comparisons of RQ1–RQ3, of neighbouring snapshots, and of stages with themselves on two halves of their text."""
    by_role = {stage.role: stage.name for stage in stages(profile)}
    pairs = [
        ("rq1", "untrained", "early"),
        ("rq1", "early", "before-last"),
        ("rq1", "before-last", "last"),
        ("rq2", "last", "zero-shot"),
        ("rq3", "zero-shot", "supervised"),
    ]
    found = [
        Comparison(question, by_role[before], by_role[after])
        for question, before, after in pairs
        if question != "rq1" or "early" in by_role
    ]
    read = [stage.name for stage in stages(profile) if stage.corpus == profile.corpora.pretraining.name]
    found += [Comparison("epochs", before, after) for before, after in pairwise(read)]
    controls = [by_role[role] for role in ("early", "last", "zero-shot", "supervised") if role in by_role]
    return found + [Comparison("control", f"{stage}/first-half", f"{stage}/second-half") for stage in controls]
