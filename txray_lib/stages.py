"""Which stages, comparisons and controls a profile has. May touch: profiles, settings.

A stage is a snapshot applied to a corpus. Its role is what the paper gives a colour: untrained, early, before-last,
last (on the pretraining corpus), zero-shot, supervised (on the target corpus). Of an encoder of the user's own with fewer than
three trained snapshots none is early or before-last, and RQ1 is not asked.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from txray_lib.profiles import Profile
from txray_lib.settings import QUOTABLE

READ_OTHERWISE = {
    "sentence": ("last", "zero-shot"),
    "never": ("last", "zero-shot"),
    "cased": ("early", "before-last", "last", "zero-shot"),
    "marks": ("early", "before-last", "last", "zero-shot", "supervised"),
}
"""The readings of `steps.reread`, and the roles of the stages that are collected again in each."""


@dataclass(frozen=True)
class Stage:
    """A snapshot, and the step that makes its weights, applied to a corpus."""

    name: str
    role: str
    corpus: str
    snapshot: str
    epoch: int
    trained: str = "pretrain"


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


@dataclass(frozen=True)
class Control:
    """A fine-tuning beside the real one: on labels "shuffled", or from another "seed". Numbers begin with 1."""

    kind: Literal["shuffled", "seed"]
    number: int

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    def seed(self, profile: Profile) -> int:
        """The seed of its order of batches and of its classifier; the real fine-tuning's where labels are shuffled."""
        return profile.seed + (1000 * self.number if self.kind == "seed" else 0)


def stages(profile: Profile) -> list[Stage]:
    """All stages in the order of training."""
    pretraining, target = profile.corpora.pretraining.name, profile.corpora.target.name
    snapshots = sorted(profile.pretraining.snapshots)
    trained = [epoch for epoch in snapshots if epoch > 0]
    last = trained[-1]
    roles = {0: "untrained", last: "last"}
    if len(trained) >= 3:
        roles |= {trained[0]: "early", trained[-2]: "before-last"}
    read = [
        Stage(f"{pretraining}-{epoch}", roles.get(epoch, "between"), pretraining, f"epoch-{epoch}", epoch)
        for epoch in snapshots
    ]
    return [
        *read,
        Stage(f"{target}-zero-shot", "zero-shot", target, f"epoch-{last}", last),
        Stage(f"{target}-supervised", "supervised", target, "supervised", last, "finetune"),
    ]


def quoted_stages(profile: Profile) -> list[Stage]:
    """The stages of the last snapshots, on text of which a few words may be published (`settings.QUOTABLE`)."""
    corpora = (profile.corpora.pretraining, profile.corpora.target)
    quotable = {corpus.name for corpus in corpora if corpus.source in QUOTABLE}
    last = ("last", "zero-shot", "supervised")
    return [stage for stage in stages(profile) if stage.role in last and stage.corpus in quotable]


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


def finetuning_controls(profile: Profile) -> list[Control]:
    """The controls of RQ3 that a profile asks for."""
    shuffled = [Control("shuffled", number + 1) for number in range(profile.controls.shuffled_labels)]
    return shuffled + [Control("seed", number + 1) for number in range(profile.controls.finetuning_seeds)]


def has_constant(profile: Profile) -> bool:
    """Whether there is a control of RQ1: not where the schedule itself is constant, nor where nothing is pretrained."""
    return profile.controls.constant_rate and not profile.encoder and profile.pretraining.schedule != "constant"


def control_stages(profile: Profile) -> list[Stage]:
    """What controls read: each fine-tuning the target, each snapshot at a constant learning rate the pretraining corpus."""
    pretraining, target, model = profile.corpora.pretraining.name, profile.corpora.target.name, profile.pretraining
    read = [
        Stage(f"{target}-{control.name}", "control", target, "supervised", model.epochs, f"finetune-{control.name}")
        for control in finetuning_controls(profile)
    ]
    if has_constant(profile):
        read += [
            Stage(
                f"{pretraining}-{epoch}-constant", "control", pretraining, f"epoch-{epoch}", epoch, "pretrain-constant"
            )
            for epoch in sorted(model.snapshots)
        ]
    return read
