"""What each step of a run does: it reads the files of earlier steps, calls the rooms, writes files.

    declare    the steps of a profile, what each needs, and the parameters and code it depends on
    texts      corpora, tags, vocabulary
    models     pretrain, finetune
    collected  collect, and with several shards collect-…-shard-K
    compared   preferences, transfer, prune
    switched   recollect, definitions
    controls   finetune-shuffled-K, finetune-seed-K, pretrain-constant
    controlled collect-control-…, controls, probe
    nulled     nulls
    truth      truth-words; truth-seed-K of a study of what is known
    sentence   sentence
    gathered   tables

May touch: every room of the computing half, and tagging when a corpus is tagged.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from txray_lib import places
from txray_lib.flow import Run, Step
from txray_lib.profiles import Profile, TruthStudy
from txray_lib.settings import OwnEncoder
from txray_lib.stages import Stage, stages
from txray_lib.steps.collected import collect, collect_shard, join_shards, shard_name
from txray_lib.steps.compared import preferences, prune, transfer
from txray_lib.steps.controlled import collect_classifier, collect_constant, compare_controls, probe_tags
from txray_lib.steps.controls import finetune_control, finetuning_controls, has_constant, pretrain_constant
from txray_lib.steps.gathered import study, tables
from txray_lib.steps.models import finetune, pretrain, take_encoder
from txray_lib.steps.nulled import nulls
from txray_lib.steps.sentence import one_sentence, shuffled_step, sides_of
from txray_lib.steps.switched import definitions, recollect
from txray_lib.steps.texts import corpora, tags, vocabulary
from txray_lib.steps.truth import plant_and_recover, study_seeds, truth_words

_MODEL = ("training/encoder", "training/snapshots", "training/texts", "steps/models", "steps/files")
_COLLECTED = ("collection", "slots", "corpora/documents", "corpora/vocabulary")
_COMPARED = ("stages", "preferences", "definitions", "steps/compared")
_STUDIED = ("measures", "nulls", "ways", "planted", "truth")
_STUDY_SETTINGS = tuple(f"truth.{name}" for name in TruthStudy.model_fields if name != "seeds")
_RECOLLECTED = ("sentence", "never", "cased", "marks")
"""The readings of `readings.READINGS`, named here because that module needs torch."""


def declare(profile: Profile) -> list[Step]:
    """The steps of a run of `profile`, each after what it needs; of a profile with the group `truth`, that study's."""
    if profile.truth is not None:
        return _study_steps(profile)
    return [
        *_text_steps(profile),
        *_model_steps(profile),
        *_collect_steps(profile),
        *_table_steps(profile),
        *_control_steps(profile),
        *_word_steps(profile),
        _gathering(profile),
    ]


def _text_steps(profile: Profile) -> list[Step]:
    texts = (profile.corpora.pretraining.path, profile.corpora.target.path)
    return [
        Step(
            "corpora",
            "read or generate the two corpora and choose the text of each stage",
            needs=(),
            settings=("seed", "corpora", "world", "collection.tokens", "finetuning.reviews"),
            code=("corpora", "worlds", "steps/texts"),
            run=corpora,
            files=tuple(filter(None, texts)),
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
            settings=("vocabulary", *(("encoder",) if profile.encoder else ())),
            code=("corpora/vocabulary", "training/texts"),
            run=vocabulary,
            files=(profile.encoder.vocabulary,) if profile.encoder else (),
        ),
    ]


def _model_steps(profile: Profile) -> list[Step]:
    own = profile.encoder
    return [
        _taking(own)
        if own
        else Step(
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


def _taking(own: OwnEncoder) -> Step:
    return Step(
        "pretrain",
        "take the snapshots from the encoder's files",
        needs=("vocabulary",),
        settings=("seed", "pretraining", "encoder", "vocabulary.lowercase"),
        code=(*_MODEL, "training/own"),
        run=take_encoder,
        files=(own.vocabulary, *own.files.values()),
    )


def _collect_steps(profile: Profile) -> list[Step]:
    return [step for stage in stages(profile) for step in _stage_steps(stage, profile.collection.shards)]


def _stage_steps(stage: Stage, shards: int) -> list[Step]:
    """One step that reads a stage's text; with several shards a step for each, and one that joins their records."""

    def reading(name: str, about: str, run: Callable[[Run, Path], None]) -> Step:
        return Step(
            name,
            about,
            needs=("tags", "vocabulary", "finetune" if stage.role == "supervised" else "pretrain"),
            settings=("collection.batch_size", "collection.shards", "finetuning.max_tokens"),
            code=(*_MODEL, *_COLLECTED, "steps/collected"),
            run=run,
        )

    if shards == 1:
        return [reading(_collect_name(stage), f"collect the records of {stage.name}", partial(collect, stage))]
    read = [
        reading(
            shard_name(stage, shard),
            f"collect the records of {stage.name}, shard {shard + 1} of {shards}",
            partial(collect_shard, stage, shard),
        )
        for shard in range(shards)
    ]
    joined = Step(
        _collect_name(stage),
        f"join the records of {stage.name}",
        needs=tuple(step.name for step in read),
        settings=("collection.shards",),
        code=("steps/collected", "tables"),
        run=partial(join_shards, stage),
    )
    return [*read, joined]


def _table_steps(profile: Profile) -> list[Step]:
    collects = tuple(_collect_name(stage) for stage in stages(profile))
    return [
        Step(
            "preferences",
            "sum the records",
            needs=collects,
            settings=("collection.exclude_unknown",),
            code=(*_COMPARED, "collection", "spilling", "tables"),
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
            "nulls",
            "permute the text of each comparison, and measure it otherwise",
            needs=("preferences", *collects),
            settings=("seed", "nulls", "pretraining.units", "collection.exclude_unknown"),
            code=(*_COMPARED, "transfer", "measures", "nulls", "steps/nulled"),
            run=nulls,
        ),
        Step(
            "prune",
            "prune the sets A–D and score the classifier",
            needs=("transfer", "finetune", "vocabulary"),
            settings=("seed", "pruning", "finetuning.max_tokens"),
            code=(*_COMPARED, *_MODEL, "training/finetuning", "pruning", "pruning_null"),
            run=prune,
        ),
        *_switch_steps(),
    ]


def _switch_steps() -> list[Step]:
    readings = [
        Step(
            f"recollect-{reading}",
            f"read the stages again, as the released code does ({reading})",
            needs=("tags", "vocabulary", "pretrain", "finetune"),
            settings=("collection.batch_size", "collection.exclude_unknown"),
            code=(*_MODEL, *_COLLECTED, "readings", "preferences", "steps/collected", "steps/switched"),
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
            code=(
                *_COMPARED,
                "transfer",
                "audit/quantities",
                "audit/switches",
                "pruning",
                "readings",
                "steps/switched",
            ),
            run=definitions,
        ),
    ]


def _control_steps(profile: Profile) -> list[Step]:
    probe = Step(
        "probe",
        "probe the encoder for tags",
        needs=("tags", "vocabulary", "pretrain"),
        settings=("seed", "controls.probe_tokens"),
        code=(*_MODEL, "slots", "stages", "probe", "steps/collected", "steps/controlled"),
        run=probe_tags,
    )
    trained = [*_finetuning_controls(profile), *_constant_control(profile)]
    if not trained:
        return [probe]
    controls = Step(
        "controls",
        "compare the controls as the stages are",
        needs=("preferences", "finetune", *(step.name for step in trained)),
        settings=(
            "controls.finetuning_seeds",
            "controls.shuffled_labels",
            "controls.constant_rate",
            "collection.exclude_unknown",
        ),
        code=(*_COMPARED, "transfer", "training/controls", "steps/controls", "steps/controlled"),
        run=compare_controls,
    )
    return [*trained, controls, probe]


def _finetuning_controls(profile: Profile) -> list[Step]:
    steps = []
    for control in finetuning_controls(profile):
        step = Step(
            f"finetune-{control.name}",
            "fine-tune the encoder " + ("on shuffled labels" if control.kind == "shuffled" else "from another seed"),
            needs=("vocabulary", "pretrain", "finetune"),
            settings=("seed", "finetuning"),
            code=(*_MODEL, "training/finetuning", "training/controls", "steps/controls"),
            run=partial(finetune_control, control),
        )
        about = f"collect the records of the control {control.name}"
        steps += [step, _collect_control(control.name, about, step.name, partial(collect_classifier, control))]
    return steps


def _constant_control(profile: Profile) -> list[Step]:
    if not has_constant(profile):
        return []
    pretrain = Step(
        "pretrain-constant",
        "pretrain the language model at a constant learning rate",
        needs=("vocabulary",),
        settings=("seed", "pretraining"),
        code=(*_MODEL, "training/pretraining", "training/controls", "steps/controls"),
        run=pretrain_constant,
    )
    about = "collect the records of the encoders trained at a constant rate"
    return [pretrain, _collect_control("constant", about, pretrain.name, collect_constant)]


def _collect_control(name: str, about: str, need: str, run: Callable[[Run, Path], None]) -> Step:
    return Step(
        f"collect-control-{name}",
        about,
        needs=("tags", "vocabulary", need),
        settings=("collection.batch_size", "finetuning.max_tokens"),
        code=(*_MODEL, *_COLLECTED, "steps/collected", "steps/controls", "steps/controlled"),
        run=run,
    )


def _word_steps(profile: Profile) -> list[Step]:
    if profile.corpora.target.source != "world":
        return []
    return [
        Step(
            "truth-words",
            "see whether gained neurons prefer the words that carry sentiment",
            needs=("corpora", "preferences", "transfer"),
            settings=("seed",),
            code=("stages", "transfer", "truth", "steps/truth"),
            run=truth_words,
        ),
        _sentence_step(profile),
    ]


def _sentence_step(profile: Profile) -> Step:
    """Of generated text alone: a sentence of a real corpus must not be published."""
    shuffled = shuffled_step(profile)
    collects = tuple(_collect_name(stage) for stage in sides_of(profile).values())
    return Step(
        "sentence",
        "read one sentence by TX-Ray and by three other methods",
        needs=("corpora", "tags", "vocabulary", "pretrain", "finetune", *collects, *((shuffled,) if shuffled else ())),
        settings=("seed", "controls.probe_tokens", "finetuning.max_tokens", "collection.exclude_unknown"),
        code=(*_MODEL, "slots", "stages", "probe", "attribution", "sentence", "steps/collected", "steps/sentence"),
        run=one_sentence,
    )


def _study_steps(profile: Profile) -> list[Step]:
    seeds = [
        Step(
            name,
            f"plant encoders and see what is recovered, seed {seed}",
            needs=(),
            settings=_STUDY_SETTINGS,
            code=("corpora", "worlds", "preferences", "transfer", *_STUDIED, "steps/truth"),
            run=partial(plant_and_recover, seed),
        )
        for name, seed in study_seeds(profile).items()
    ]
    gathering = Step(
        "tables",
        "gather the tables of the study",
        needs=tuple(step.name for step in seeds),
        settings=("name", "about", "seed", "truth.seeds"),
        code=("tables", "steps/gathered"),
        run=study,
        place=places.live_results(profile.name),
    )
    return [*seeds, gathering]


def _gathering(profile: Profile) -> Step:
    collects = tuple(_collect_name(stage) for stage in stages(profile))
    optional = (*_control_steps(profile), *_word_steps(profile))
    others = tuple(step.name for step in optional if step.name in ("controls", "probe", "truth-words", "sentence"))
    made = (
        "corpora",
        "tags",
        "vocabulary",
        "pretrain",
        "finetune",
        *collects,
        "preferences",
        "transfer",
        "nulls",
        "prune",
    )
    return Step(
        "tables",
        "gather the tables that the book reads",
        needs=(*made, "definitions", *others),
        settings=("name", "about"),
        code=("stages", "tables", "audit", "paper", "results", "steps/gathered"),
        run=tables,
        place=places.live_results(profile.name),
    )


def _collect_name(stage: Stage) -> str:
    return f"collect-{stage.name}"
