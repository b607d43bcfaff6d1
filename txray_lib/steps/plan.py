"""The steps of a profile: which files each reads and makes, and which settings it is given. May touch: profiles, stages, steps.

A step's function gets these files and settings and no others (`steps.task`), so that what it reads is what is tracked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from txray_lib.profiles import Profile
from txray_lib.stages import READ_OTHERWISE, Stage, comparisons, stages
from txray_lib.steps.controls import Control, finetuning_controls, has_constant
from txray_lib.steps.files import SPLITS
from txray_lib.steps.sentence import SENTENCE_TABLES, shuffled_step, sides_of
from txray_lib.steps.truth import TABLES
from txray_lib.steps.task import NOTE

STAGES = ("corpora.pretraining.name", "corpora.target.name", "pretraining.snapshots")
"""The settings that `stages` and `comparisons` follow from."""
_ENCODED = ("vocabulary/vocabulary.json", *(f"vocabulary/texts-{split}.npz" for split in SPLITS))
_STREAMS = tuple(f"vocabulary/stream-{split}.npy" for split in ("train", "valid"))
_TAGGED = ("tags/pretraining.parquet", "tags/target.parquet")
_NULLS = ("nulls.parquet", "null_states.parquet", "measures.parquet", "measure_nulls.parquet")
_SCORED = (*_ENCODED, "finetune/supervised.safetensors", "finetune/hidden-train.npy", "finetune/hidden-test.npy")
_GIVEN_CONTROLS = ("controls.finetuning_seeds", "controls.shuffled_labels")


@dataclass(frozen=True)
class Step:
    """One step, as `task.Task` is made of it.

    rule      what several steps of a kind have in common, as "collect"
    reads     files of earlier steps, as "tags/target.parquet"
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


def declare(profile: Profile) -> list[Step]:
    """The steps of a run of `profile`, each after what it needs; of a profile with the group `truth`, that study's."""
    if profile.truth is not None:
        return _study_steps(profile)
    steps = [
        *_text_steps(profile),
        _pretrain(profile),
        _finetune(profile),
        *(step for stage in stages(profile) for step in _collect(stage, profile)),
        *_table_steps(profile),
        *_switch_steps(profile),
        *_control_steps(profile),
        *_word_steps(profile),
    ]
    return [*steps, _gathering(profile, steps)]


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
            reads=("corpora/stage-pretraining.parquet", "corpora/stage-target.parquet"),
            settings=("tagger", "collection.tokens"),
        ),
        Step(
            "vocabulary",
            "build the vocabulary and encode the training text",
            "texts.vocabulary",
            makes=(*_names((*_ENCODED, *_STREAMS)), "measures.parquet"),
            reads=tuple(f"corpora/{name}" for name in texts),
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
        reads=(_ENCODED[0], *_STREAMS),
        settings=("seed", "pretraining"),
    )


def _finetune(profile: Profile) -> Step:
    return Step(
        "finetune",
        "fine-tune the encoder on the labels",
        "models.finetune",
        makes=(
            "supervised.safetensors",
            *(f"hidden-{split}.npy" for split in SPLITS),
            "scores.parquet",
            "curve.parquet",
        ),
        reads=(*_ENCODED, _last(profile), "corpora/facts.json"),
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
            makes=("records.parquet", "counts.json"),
            reads=(_weights(stage), f"tags/{text}.parquet", _ENCODED[0]),
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
        makes=("records.parquet", "counts.json"),
        reads=tuple(f"{step.name}/{file}" for step in read for file in step.makes),
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
            makes=tuple(f"{name}.parquet" for name in (*read, *_sides(controls))),
            reads=tuple(f"collect-{name}/records.parquet" for name in read),
            settings=("collection.exclude_unknown", *STAGES),
        ),
        Step(
            "transfer",
            "compare the stages",
            "compared.transfer",
            makes=("transfer.parquet",),
            reads=tuple(f"preferences/{side}.parquet" for side in _sides(pairs)),
            settings=("pretraining.units", *STAGES),
        ),
        Step(
            "nulls",
            "permute the text of each comparison, and measure it otherwise",
            "nulled.nulls",
            makes=_NULLS,
            reads=(
                *(f"collect-{side}/records.parquet" for side in _sides(asked)),
                *(f"preferences/{side}.parquet" for side in _sides([*asked, *controls])),
            ),
            settings=("seed", "nulls", "pretraining.units", "collection.exclude_unknown", *STAGES),
        ),
        Step(
            "prune",
            "prune the sets A–D and score the classifier",
            "compared.prune",
            makes=("pruning.parquet", "pruning_random.parquet"),
            reads=("transfer/transfer.parquet", *_SCORED),
            settings=("seed", "pruning", "finetuning.max_tokens"),
        ),
    ]


def _switch_steps(profile: Profile) -> list[Step]:
    readings = []
    for reading, roles in READ_OTHERWISE.items():
        read = [stage for stage in stages(profile) if stage.role in roles]
        readings.append(
            Step(
                f"recollect-{reading}",
                f"read the stages again, as the released code does ({reading})",
                "switched.recollect",
                makes=tuple(f"{stage.name}.parquet" for stage in read),
                reads=(*_unique(map(_weights, read)), *_TAGGED, _ENCODED[0]),
                settings=("collection.batch_size", "collection.exclude_unknown", *STAGES),
                arguments={"reading": reading},
            )
        )
    return [
        *readings,
        Step(
            "definitions",
            "tell how far each definition and each reading moves the numbers",
            "switched.definitions",
            makes=("definitions.parquet", "same_weights.parquet"),
            reads=(
                *(f"preferences/{stage.name}.parquet" for stage in stages(profile)),
                *("transfer/transfer.parquet", "prune/pruning.parquet"),
                *_SCORED,
                *(f"{step.name}/{file}" for step in readings for file in step.makes),
            ),
            settings=("pretraining.units", "pruning.set_size", "finetuning.max_tokens", *STAGES),
        ),
    ]


def _control_steps(profile: Profile) -> list[Step]:
    probed = [stage for stage in stages(profile) if stage.role in ("untrained", "early", "last")]
    probe = Step(
        "probe",
        "probe the encoder for tags",
        "controlled.probe_tags",
        makes=("probe.parquet",),
        reads=("tags/pretraining.parquet", _ENCODED[0], *map(_weights, probed)),
        settings=("seed", "controls.probe_tokens", *STAGES),
    )
    controls, constant = finetuning_controls(profile), has_constant(profile)
    trained = [step for control in controls for step in _finetuned_control(control, profile)]
    trained += _constant_control(profile) if constant else []
    if not trained:
        return [probe]
    (before,) = (stage.name for stage in stages(profile) if stage.role == "zero-shot")
    tables = (("control_transfer", "control_scores") if controls else ()) + (("control_epochs",) if constant else ())
    compared = Step(
        "controls",
        "compare the controls as the stages are",
        "controlled.compare_controls",
        makes=tuple(f"{name}.parquet" for name in (*tables, "control_training")),
        reads=(
            *(f"preferences/{before}.parquet", "finetune/scores.parquet", "finetune/curve.parquet"),
            *(f"{step.name}/{file}" for step in trained for file in step.makes if file.endswith(".parquet")),
        ),
        settings=(
            *("seed", "finetuning", "controls", "encoder", "pretraining.schedule", "pretraining.units"),
            *("collection.exclude_unknown", *STAGES),
        ),
    )
    return [*trained, compared, probe]


def _finetuned_control(control: Control, profile: Profile) -> list[Step]:
    trained = Step(
        f"finetune-{control.name}",
        "fine-tune the encoder " + ("on shuffled labels" if control.kind == "shuffled" else "from another seed"),
        "controls.finetune_control",
        makes=("supervised.safetensors", "scores.parquet", "curve.parquet"),
        reads=(*_ENCODED, _last(profile), "corpora/facts.json", "finetune/curve.parquet"),
        settings=("seed", "finetuning", "pretraining.epochs"),
        arguments={"control": control},
        rule="finetune-control",
    )
    collected = Step(
        f"collect-control-{control.name}",
        f"collect the records of the control {control.name}",
        "controlled.collect_classifier",
        makes=("records.parquet", "counts.json"),
        reads=(f"{trained.name}/supervised.safetensors", _ENCODED[0], "tags/target.parquet"),
        settings=("collection.batch_size", "finetuning.max_tokens"),
        arguments={"control": control},
        rule="collect-control",
    )
    return [trained, collected]


def _constant_control(profile: Profile) -> list[Step]:
    epochs = sorted(profile.pretraining.snapshots)
    weights = tuple(f"epoch-{epoch}.safetensors" for epoch in epochs)
    return [
        Step(
            "pretrain-constant",
            "pretrain the language model at a constant learning rate",
            "controls.pretrain_constant",
            makes=(*weights, "curve.parquet"),
            reads=(_ENCODED[0], *_STREAMS),
            settings=("seed", "pretraining"),
        ),
        Step(
            "collect-control-constant",
            "collect the records of the encoders trained at a constant rate",
            "controlled.collect_constant",
            makes=tuple(name for epoch in epochs for name in (f"records-{epoch}.parquet", f"counts-{epoch}.json")),
            reads=(*(f"pretrain-constant/{name}" for name in weights), _ENCODED[0], "tags/pretraining.parquet"),
            settings=("collection.batch_size", "finetuning.max_tokens", "pretraining.snapshots"),
        ),
    ]


def _word_steps(profile: Profile) -> list[Step]:
    """Of generated text alone: a sentence of a real corpus must not be published."""
    if profile.corpora.target.source != "world":
        return []
    shuffled, sides = shuffled_step(profile), sides_of(profile).values()
    return [
        Step(
            "truth-words",
            "see whether gained neurons prefer the words that carry sentiment",
            "truth.truth_words",
            makes=("truth_words.parquet",),
            reads=(
                *("corpora/truth.parquet", "transfer/transfer.parquet"),
                *(f"preferences/{stage.name}.parquet" for stage in sides),
            ),
            settings=("seed", *STAGES),
        ),
        Step(
            "sentence",
            "read one sentence by TX-Ray and by three other methods",
            "sentence.one_sentence",
            makes=tuple(f"{name}.parquet" for name in SENTENCE_TABLES),
            reads=(
                *("corpora/truth.parquet", "corpora/target.parquet", "tags/target.parquet", _ENCODED[0]),
                *map(_weights, sides),
                *(f"collect-{stage.name}/records.parquet" for stage in sides),
                *((f"{shuffled}/supervised.safetensors",) if shuffled else ()),
            ),
            settings=(
                *("seed", "controls.probe_tokens", *_GIVEN_CONTROLS),
                *("finetuning.max_tokens", "collection.exclude_unknown", *STAGES),
            ),
        ),
    ]


def _study_steps(profile: Profile) -> list[Step]:
    assert profile.truth is not None
    study = profile.truth.model_dump(exclude={"seeds"})
    seeds = {f"truth-seed-{seed}": seed for seed in range(profile.seed, profile.seed + profile.truth.seeds)}
    tables = tuple(f"{name}.parquet" for name in TABLES)
    planted = [
        Step(
            name,
            f"plant encoders and see what is recovered, seed {seed}",
            "truth.plant_and_recover",
            makes=(*tables, "facts.json"),
            arguments={"seed": seed, "study": study},
            rule="plant",
        )
        for name, seed in seeds.items()
    ]
    gathering = Step(
        "tables",
        "gather the tables of the study",
        "gathered.study",
        makes=(*tables, "provenance.json", "profile.yaml"),
        reads=tuple(f"{step.name}/{file}" for step in planted for file in (*step.makes, NOTE)),
        settings=("name",),
        arguments={"steps": seeds, "parameters": profile.parameters},
    )
    return [*planted, gathering]


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
            *_unique(file for _, file in copied),
            *(f"{name}.parquet" for name in counted),
            *(f"preferences/{file}" for file in preferences),
            *("provenance.json", "profile.yaml"),
        ),
        reads=(
            *(f"{step}/{file}" for step, file in copied),
            *(f"preferences/{file}" for file in preferences),
            *("corpora/facts.json", "corpora/measures.parquet", "vocabulary/measures.parquet", *_TAGGED),
            *("pretrain/curve.parquet", "finetune/curve.parquet", "finetune/scores.parquet"),
            *(f"collect-{stage.name}/counts.json" for stage in stages(profile)),
            *(f"{step.name}/{NOTE}" for step in steps),
        ),
        settings=("name", "seed", "pretraining.units", *STAGES),
        arguments={"steps": [step.name for step in steps], "parameters": profile.parameters},
        own=_unique(profile.own_files),
    )


def _weights(stage: Stage) -> str:
    return f"{'finetune' if stage.role == 'supervised' else 'pretrain'}/{stage.snapshot}.safetensors"


def _last(profile: Profile) -> str:
    return f"pretrain/epoch-{profile.pretraining.epochs}.safetensors"


def _sides(pairs: Iterable[Any]) -> tuple[str, ...]:
    return _unique(side for pair in pairs for side in (pair.before, pair.after))


def _names(files: Iterable[str]) -> tuple[str, ...]:
    return tuple(file.partition("/")[2] for file in files)


def _unique(files: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(files))
