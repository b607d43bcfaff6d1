"""What each step of a run does: it reads the files of earlier steps, calls the rooms, writes files.

    declare    the steps of a profile, what each needs, and the parameters and code it depends on
    texts      corpora, tags, vocabulary
    models     pretrain, finetune
    collected  collect
    compared   preferences, transfer, prune
    switched   recollect, definitions
    gathered   tables

May touch: every room of the computing half, and tagging when a corpus is tagged.
"""

from __future__ import annotations

from functools import partial

from txray_lib import places
from txray_lib.flow import Step
from txray_lib.profiles import Profile
from txray_lib.stages import Stage, stages
from txray_lib.steps.collected import collect
from txray_lib.steps.compared import preferences, prune, transfer
from txray_lib.steps.gathered import tables
from txray_lib.steps.models import finetune, pretrain
from txray_lib.steps.switched import definitions, recollect
from txray_lib.steps.texts import corpora, tags, vocabulary

_MODEL = ("training/encoder", "training/snapshots", "training/texts", "steps/models", "steps/files")
_COMPARED = ("stages", "preferences", "definitions", "steps/compared")
_RECOLLECTED = ("sentence", "never", "cased", "marks")
"""The readings of `readings.READINGS`, named here because that module needs torch."""


def declare(profile: Profile) -> list[Step]:
    """The steps of a run of `profile`, each after what it needs."""
    return [*_text_steps(), *_model_steps(), *_collect_steps(profile), *_table_steps(profile)]


def _text_steps() -> list[Step]:
    return [
        Step(
            "corpora",
            "read or generate the two corpora and choose the text of each stage",
            needs=(),
            settings=("seed", "corpora", "world", "collection.tokens", "finetuning.reviews"),
            code=("corpora", "worlds", "steps/texts"),
            run=corpora,
        ),
        Step(
            "tags",
            "tag the text of the stages",
            needs=("corpora",),
            settings=("tagger", "collection.tokens"),
            code=("corpora/documents", "tagging"),
            run=tags,
        ),
        Step(
            "vocabulary",
            "build the vocabulary and encode the training text",
            needs=("corpora",),
            settings=("vocabulary",),
            code=("corpora/vocabulary", "training/texts"),
            run=vocabulary,
        ),
    ]


def _model_steps() -> list[Step]:
    return [
        Step(
            "pretrain",
            "pretrain the language model and keep snapshots",
            needs=("vocabulary",),
            settings=("seed", "pretraining"),
            code=(*_MODEL, "training/pretraining"),
            run=pretrain,
        ),
        Step(
            "finetune",
            "fine-tune the encoder on the labels",
            needs=("vocabulary", "pretrain"),
            settings=("seed", "finetuning"),
            code=(*_MODEL, "training/finetuning"),
            run=finetune,
        ),
    ]


def _collect_steps(profile: Profile) -> list[Step]:
    return [
        Step(
            _collect_name(stage),
            f"collect the records of {stage.name}",
            needs=("tags", "vocabulary", "finetune" if stage.role == "supervised" else "pretrain"),
            settings=("collection.batch_size", "finetuning.max_tokens"),
            code=(*_MODEL, "collection", "steps/collected"),
            run=partial(collect, stage),
        )
        for stage in stages(profile)
    ]


def _table_steps(profile: Profile) -> list[Step]:
    collects = tuple(_collect_name(stage) for stage in stages(profile))
    return [
        Step(
            "preferences",
            "sum the records",
            needs=collects,
            settings=("collection.exclude_unknown",),
            code=(*_COMPARED, "collection"),
            run=preferences,
        ),
        Step(
            "transfer",
            "compare the stages",
            needs=("preferences",),
            settings=("pretraining.units",),
            code=(*_COMPARED, "transfer"),
            run=transfer,
        ),
        Step(
            "prune",
            "prune the sets A–D and score the classifier",
            needs=("transfer", "finetune", "vocabulary"),
            settings=("seed", "pruning", "finetuning.max_tokens"),
            code=(*_COMPARED, *_MODEL, "training/finetuning", "pruning"),
            run=prune,
        ),
        *_switch_steps(),
        Step(
            "tables",
            "gather the tables that the book reads",
            needs=(
                "corpora",
                "tags",
                "vocabulary",
                "pretrain",
                "finetune",
                *collects,
                "preferences",
                "transfer",
                "prune",
                "definitions",
            ),
            settings=("name", "about"),
            code=("stages", "tables", "audit", "paper", "results", "steps/gathered"),
            run=tables,
            place=places.live_results(profile.name),
        ),
    ]


def _switch_steps() -> list[Step]:
    readings = [
        Step(
            f"recollect-{reading}",
            f"read the stages again, as the released code does ({reading})",
            needs=("tags", "vocabulary", "pretrain", "finetune"),
            settings=("collection.batch_size", "collection.exclude_unknown"),
            code=(*_MODEL, "collection", "readings", "preferences", "steps/collected", "steps/switched"),
            run=partial(recollect, reading),
        )
        for reading in _RECOLLECTED
    ]
    return [
        *readings,
        Step(
            "definitions",
            "tell how far each definition and each reading moves the numbers",
            needs=("preferences", "transfer", "prune", "vocabulary", "finetune", *(step.name for step in readings)),
            settings=("pretraining.units", "pruning.set_size"),
            code=(*_COMPARED, "transfer", "audit", "pruning", "readings", "steps/switched"),
            run=definitions,
        ),
    ]


def _collect_name(stage: Stage) -> str:
    return f"collect-{stage.name}"
