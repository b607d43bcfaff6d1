"""The files of a finished run as objects, for a researcher's own code. May touch: engine, corpora, encoders."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from txray_lib.corpora import Corpus, Vocabulary
from txray_lib.corpora.documents import load_corpus_file
from txray_lib.encoders import Classifier, Encoder, load_classifier, load_encoder
from txray_lib.engine import make_run
from txray_lib.engine.run import Run
from txray_lib.errors import TxrayError, nearest
from txray_lib.profiles import Profile, load_profile
from txray_lib.stages import stages


@dataclass(frozen=True)
class FinishedRun:
    """What `txray run` left on disk for a profile."""

    run: Run

    @property
    def profile(self) -> Profile:
        return self.run.profile

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the encoders of this run see of a token."""
        return Vocabulary.load(self.run.file("vocabulary", "vocabulary.json"))

    def corpus(self, which: Literal["pretraining", "target"]) -> Corpus:
        """The tagged text that the stages on a corpus read."""
        if which not in (known := ("pretraining", "target")):
            raise TxrayError(f"there is no corpus {which!r} in a run. {nearest(which, known)}")
        return load_corpus_file(self.run.file("tags", f"{which}.parquet"))

    def model(self, stage: str) -> Encoder | Classifier:
        """The encoder of a stage, by its name or role; for the supervised stage the classifier."""
        found = next((s for s in stages(self.profile) if stage in (s.name, s.role)), None)
        if found is None:
            known = [name for s in stages(self.profile) for name in (s.name, s.role)]
            raise TxrayError(f"the profile {self.profile.name!r} has no stage {stage!r}. {nearest(stage, known)}")
        if found.role == "supervised":
            return load_classifier(self.run.file("finetune", "supervised.safetensors"), self.vocabulary.digest())
        return load_encoder(self.run.file("pretrain", f"{found.snapshot}.safetensors"), self.vocabulary.digest())


def train_run(profile: str) -> FinishedRun:
    """The encoders and the tagged text of a profile, computed now where they are missing or out of date; no tables."""
    run = Run(load_profile(profile))
    with ThreadPoolExecutor(1) as pool:  # the thread of a notebook has an event loop, which Snakemake wants for itself
        pool.submit(make_run, run, profile, ("tags", "finetune")).result()
    return FinishedRun(run)


def open_run(profile: str) -> FinishedRun:
    """The files of a profile's run. Raises TxrayError where it is not finished."""
    run = Run(load_profile(profile))
    if missing := [name for name in run.steps if not run.is_there(name)]:
        raise TxrayError(f"the run {run.profile.name!r} lacks {', '.join(missing)}: `txray run {profile}` makes them.")
    return FinishedRun(run)
