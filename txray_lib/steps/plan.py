"""The steps of a profile: which files each reads and makes, and which settings it is given. May touch: profiles, stages, steps.

A step's function gets these files and settings and no others (`steps.task`), so that what it reads is what is tracked.
"""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import Any

from txray_lib.profiles import Profile
from txray_lib.stages import Stage, comparisons, stages
from txray_lib.steps.beside import control_steps, study_steps, switch_steps, word_steps
from txray_lib.steps.declared import ENCODED, RECORDS, SCORED, STAGES, WORDS, Step, last, sides, unique, weights
from txray_lib.steps.files import SPLITS
from txray_lib.steps.task import NOTE


def declare(profile: Profile) -> list[Step]:
    """The steps of a run of `profile`, each after what it needs; of a profile with the group `truth`, that study's."""
    if profile.truth is not None:
        return _resolved(study_steps(profile))
    steps = [
        *_text_steps(profile),
        _pretrain(profile),
        _finetune(profile),
        *(step for stage in stages(profile) for step in _collect(stage, profile)),
        *_table_steps(profile),
        *switch_steps(profile),
        *control_steps(profile),
        *word_steps(profile),
    ]
    return _resolved([*steps, _gathering(profile, steps)])


def _resolved(steps: list[Step]) -> list[Step]:
    """The steps with the files that their patterns stand for. Raises LookupError for a pattern of no earlier file."""
    made: list[str] = []
    found = []
    for step in steps:
        matched = {pattern: fnmatch.filter(made, pattern) for pattern in step.reads}
        if missing := [pattern for pattern, files in matched.items() if not files]:
            raise LookupError(f"{step.name} reads {missing}, which no step before it makes")
        files = dict.fromkeys(file for files in matched.values() for file in files)
        found.append(replace(step, reads=tuple(files)))
        made += [f"{step.name}/{file}" for file in (*step.makes, NOTE)]
    return found


def _text_steps(profile: Profile) -> list[Step]:
    corpora, target, own = profile.corpora, profile.corpora.target, profile.encoder
    generated = "world" in (corpora.pretraining.source, target.source)
    texts = ("pretraining.parquet", "target.parquet", "stage-pretraining.parquet", "stage-target.parquet")
    return [
        Step(
            "corpora",
            "read or generate the two corpora and choose the text of each stage",
            "texts.corpora",
            makes=(*texts, "measures.parquet", "facts.json", *(("truth.parquet",) if target.source == "world" else ())),
            settings=("seed", "corpora", "world", "collection.tokens", "finetuning.reviews"),
            own=tuple(filter(None, (corpora.pretraining.path, target.path))),
        ),
        Step(
            "tags",
            "tag the text of the stages",
            "texts.tags",
            makes=("pretraining.parquet", "target.parquet", *(("tag_accuracy.parquet",) if generated else ())),
            reads=("corpora/stage-*",),
            settings=("tagger", "collection.tokens"),
        ),
        Step(
            "vocabulary",
            "build the vocabulary and encode the training text",
            "texts.vocabulary",
            makes=(
                *(f"texts-{split}.npz" for split in SPLITS),
                *("vocabulary.json", "stream-train.npy", "stream-valid.npy", "measures.parquet"),
            ),
            reads=("corpora/pretraining.parquet", "corpora/target.parquet", "corpora/stage-*"),
            settings=("vocabulary", "encoder"),
            own=(own.vocabulary,) if own else (),
        ),
    ]


def _pretrain(profile: Profile) -> Step:
    own = profile.encoder
    snapshots = own.snapshots if own else profile.pretraining.snapshots
    makes = (*(f"epoch-{epoch}.safetensors" for epoch in sorted(snapshots)), "curve.parquet")
    if own:
        return Step(
            "pretrain",
            "take the snapshots from the encoder's files",
            "models.take_encoder",
            makes,
            settings=("seed", "pretraining", "encoder", "vocabulary.lowercase"),
            own=(own.vocabulary, *own.files.values()),
        )
    return Step(
        "pretrain",
        "pretrain the language model and keep snapshots",
        "models.pretrain",
        makes,
        reads=(WORDS, "vocabulary/stream-*"),
        settings=("seed", "pretraining"),
    )


def _finetune(profile: Profile) -> Step:
    return Step(
        "finetune",
        "fine-tune the encoder on the labels",
        "models.finetune",
        makes=(*(f"hidden-{s}.npy" for s in SPLITS), "supervised.safetensors", "scores.parquet", "curve.parquet"),
        reads=(*ENCODED, last(profile), "corpora/facts.json"),
        settings=("seed", "finetuning", "pretraining.epochs"),
    )


def _collect(stage: Stage, profile: Profile) -> list[Step]:
    """One step that reads a stage's text; with several shards a step for each, and one that joins their records."""
    shards, name = profile.collection.shards, f"collect-{stage.name}"
    text = "target" if stage.corpus == profile.corpora.target.name else "pretraining"

    def reading(name: str, about: str, rule: str, **arguments: Any) -> Step:
        return Step(
            name,
            about,
            "collected.collect",
            makes=RECORDS,
            reads=(weights(stage), f"tags/{text}.parquet", WORDS),
            settings=("collection.batch_size", "collection.shards", "finetuning.max_tokens", "corpora.target.name"),
            arguments={"stage": stage, **arguments},
            rule=rule,
        )

    if shards == 1:
        return [reading(name, f"collect the records of {stage.name}", "collect")]
    read = [
        reading(
            f"{name}-shard-{shard}",
            f"collect the records of {stage.name}, shard {shard + 1} of {shards}",
            "collect-shard",
            shard=shard,
        )
        for shard in range(shards)
    ]
    joined = Step(
        name,
        f"join the records of {stage.name}",
        "collected.join_shards",
        makes=RECORDS,
        reads=(f"{name}-shard-*/*.*",),
        arguments={"steps": [step.name for step in read]},
        rule="collect",
    )
    return [*read, joined]


def _table_steps(profile: Profile) -> list[Step]:
    pairs = comparisons(profile)
    asked = [c for c in pairs if c.question in ("rq1", "rq2", "rq3")]
    controls = [c for c in pairs if c.question == "control"]
    read = tuple(stage.name for stage in stages(profile))
    return [
        Step(
            "preferences",
            "sum the records",
            "compared.preferences",
            makes=tuple(f"{name}.parquet" for name in (*read, *sides(controls))),
            reads=tuple(f"collect-{name}/records.parquet" for name in read),
            settings=("collection.exclude_unknown", *STAGES),
        ),
        Step(
            "transfer",
            "compare the stages",
            "compared.transfer",
            makes=("transfer.parquet",),
            reads=tuple(f"preferences/{side}.parquet" for side in sides(pairs)),
            settings=("pretraining.units", *STAGES),
        ),
        Step(
            "nulls",
            "permute the text of each comparison, and measure it otherwise",
            "nulled.nulls",
            makes=("nulls.parquet", "null_states.parquet", "measures.parquet", "measure_nulls.parquet"),
            reads=(
                *(f"collect-{side}/records.parquet" for side in sides(asked)),
                *(f"preferences/{side}.parquet" for side in sides([*asked, *controls])),
            ),
            settings=("seed", "nulls", "pretraining.units", "collection.exclude_unknown", *STAGES),
        ),
        Step(
            "prune",
            "prune the sets A–D and score the classifier",
            "compared.prune",
            makes=("pruning.parquet", "pruning_random.parquet"),
            reads=("transfer/transfer.parquet", *SCORED),
            settings=("seed", "pruning", "finetuning.max_tokens"),
        ),
    ]


def _gathering(profile: Profile, steps: list[Step]) -> Step:
    """The step that the book reads from: tables of earlier steps as they are, and those that count in their files."""
    kept = ("transfer", "nulls", "prune", "definitions", "controls", "probe", "truth-words", "sentence")
    copied = [(step.name, file) for step in steps if step.name in kept for file in step.makes]
    copied += [(step.name, f) for step in steps for f in step.makes if f in ("truth.parquet", "tag_accuracy.parquet")]
    preferences = [f"{stage.name}.parquet" for stage in stages(profile)]
    counted = ("stages", "training", "scores", "corpora", "tag_counts", "measured")
    return Step(
        "tables",
        "gather the tables that the book reads",
        "gathered.tables",
        makes=(
            *unique(file for _, file in copied),
            *(f"{name}.parquet" for name in counted),
            *(f"preferences/{file}" for file in preferences),
            *("provenance.json", "profile.yaml"),
        ),
        reads=(
            *(f"{step}/{file}" for step, file in copied),
            *(f"preferences/{file}" for file in preferences),
            *("corpora/facts.json", "corpora/measures.parquet", "vocabulary/measures.parquet"),
            *("tags/pretraining.parquet", "tags/target.parquet"),
            *("pretrain/curve.parquet", "finetune/curve.parquet", "finetune/scores.parquet"),
            *(f"collect-{stage.name}/counts.json" for stage in stages(profile)),
            f"*/{NOTE}",
        ),
        settings=("name", "seed", "pretraining.units", *STAGES),
        arguments={"steps": [step.name for step in steps], "parameters": profile.parameters},
        own=unique(profile.own_files),
    )
