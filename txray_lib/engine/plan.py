"""The steps of a profile: what each needs, and which settings it is given. May touch: profiles, stages.

A step's function gets the files of these steps and these settings and no others (`steps.Task`), so that what it reads is what
is tracked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from txray_lib.profiles import Profile
from txray_lib.settings import OwnEncoder
from txray_lib.stages import (
    READ_OTHERWISE,
    Stage,
    control_stages,
    finetuning_controls,
    has_constant,
    quoted_stages,
    stages,
)

_STAGES = ("corpora.pretraining.name", "corpora.target.name", "pretraining.snapshots")
"""The settings that stages and comparisons follow from."""
_COUNTED = ("collection.exclude_unknown", "features", *_STAGES)
_FINETUNING = ("seed", "finetuning", "pretraining.epochs")
_OF_LAYERS = {
    "train.take_encoder": "transform.take",
    "prepare.encode_corpora": "transform.encode_corpora",
    "train.finetune": "transform.finetune",
    "collect.collect": "transform.collect",
    "score.prune": "transform.prune",
}
"""What takes the place of some functions where the encoder is read in layers."""
_OF_LSTM = ("probe", "definitions")
"""Steps that an encoder of layers has not, as it has no rereadings and no sentence."""


@dataclass(frozen=True)
class Step:
    """One step, as `steps.Task` is made of it.

    function   below `txray_lib.steps`, as "train.pretrain"
    needs      earlier steps, whose files it reads
    settings   dotted keys of the profile
    arguments  of the function, beside the task and its folder
    own        the user's own files, as the profile names them
    rule       what several steps of a kind have in common, as "collect"
    """

    name: str
    function: str
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    rule: str = ""


def declare(profile: Profile) -> list[Step]:
    """The steps of a run of `profile`, each after what it needs; of a profile with the group `truth`, that study's."""
    if profile.truth is not None:
        return _declare_study(profile)
    steps = [
        *_declare_texts(profile),
        _declare_pretraining(profile),
        Step("finetune", "train.finetune", ("corpora", "vocabulary", "pretrain"), _FINETUNING),
        *_declare_collection(profile, stages(profile)),
        *_declare_comparisons(profile),
        *_declare_contexts(profile),
        *_declare_readings(profile),
        *_declare_controls(profile),
    ]
    if profile.in_layers:
        steps = _declare_layers(steps)
    elif profile.corpora.target.source == "world":  # a sentence of a real corpus must not be published
        steps += _declare_truth(profile)
    gathering = Step(
        "tables",
        "gather.gather_tables",
        needs=tuple(step.name for step in steps),
        settings=("name", "seed", "pretraining.units", *_STAGES),
        arguments={"parameters": profile.parameters},
        own=tuple(dict.fromkeys(profile.own_files)),
    )
    return [*steps, gathering]


def _declare_layers(steps: list[Step]) -> list[Step]:
    """The steps of a profile with an encoder of layers: a tokenizer of its own cuts the texts, so it is taken first."""
    kept = {step.name: step for step in steps if step.name not in _OF_LSTM and step.function != "reread.recollect"}
    first = [kept.pop(name) for name in ("corpora", "tags", "pretrain")]
    declared = []
    for step in (*first, *kept.values()):
        if step.function in _OF_LAYERS:
            needs = step.needs if step.name == "pretrain" else tuple(dict.fromkeys((*step.needs, "pretrain")))
            settings = tuple(dict.fromkeys((*step.settings, "encoder", "finetuning.max_tokens")))
            step = replace(step, function=_OF_LAYERS[step.function], needs=needs, settings=settings)
        declared.append(step)
    return declared


def _declare_texts(profile: Profile) -> list[Step]:
    corpora = profile.corpora
    return [
        Step(
            "corpora",
            "prepare.prepare_corpora",
            settings=("seed", "corpora", "world", "collection.tokens", "finetuning.reviews"),
            own=tuple(filter(None, (corpora.pretraining.path, corpora.target.path))),
        ),
        Step("tags", "prepare.tag_texts", ("corpora",), ("tagger", "collection.tokens")),
        Step(
            "vocabulary",
            "prepare.encode_corpora",
            needs=("corpora",),
            settings=("vocabulary", "encoder", "collection.tokens"),
            own=(profile.encoder.vocabulary,) if isinstance(profile.encoder, OwnEncoder) else (),
        ),
    ]


def _declare_pretraining(profile: Profile) -> Step:
    own = profile.encoder
    if own is None:
        return Step("pretrain", "train.pretrain", ("vocabulary",), ("seed", "pretraining"))
    settings = ("seed", "pretraining", "encoder", "vocabulary.lowercase")
    return Step("pretrain", "train.take_encoder", settings=settings, own=profile.encoder_files)


def _declare_collection(profile: Profile, read: list[Stage]) -> list[Step]:
    """A step for each stage; with several shards a step for each of them, and one that joins their records."""
    steps, shards = [], profile.collection.shards
    settings = ("collection.batch_size", "collection.shards", "finetuning.max_tokens", "corpora.target.name")
    for stage in read:
        name, needs = f"collect-{stage.name}", ("tags", "vocabulary", stage.trained)
        if shards == 1:
            steps.append(Step(name, "collect.collect", needs, settings, {"stage": stage}, rule="collect"))
            continue
        joined = tuple(f"{name}-shard-{shard}" for shard in range(shards))
        for shard, part in enumerate(joined):
            given = {"stage": stage, "shard": shard}
            steps.append(Step(part, "collect.collect", needs, settings, given, rule="collect-shard"))
        steps.append(Step(name, "collect.join_shards", joined, (), {"steps": list(joined)}, rule="collect"))
    return steps


def _declare_comparisons(profile: Profile) -> list[Step]:
    collected = tuple(f"collect-{stage.name}" for stage in stages(profile))
    null_settings = ("seed", "nulls", "pretraining.units", *_COUNTED)
    pruning_settings = ("seed", "pruning", "finetuning.max_tokens", "finetuning.precision")
    return [
        Step("preferences", "compare.sum_preferences", collected, _COUNTED),
        Step("transfer", "compare.compare_stages", ("preferences",), ("pretraining.units", *_STAGES)),
        Step("nulls", "permute.permute_stages", (*collected, "preferences"), null_settings),
        Step("prune", "score.prune", ("vocabulary", "finetune", "transfer"), pruning_settings),
        Step(
            "probe", "score.probe_tags", ("tags", "vocabulary", "pretrain"), ("seed", "controls.probe_tokens", *_STAGES)
        ),
    ]


def _declare_contexts(profile: Profile) -> list[Step]:
    """What may be quoted of the text: nothing of IMDB and of files of one's own."""
    needs = tuple(f"collect-{stage.name}" for stage in quoted_stages(profile))
    settings = ("collection.exclude_unknown", "corpora.pretraining.source", "corpora.target.source", *_STAGES)
    return [Step("contexts", "quote.quote_stages", (*needs, "tags"), settings)] if needs else []


def _declare_readings(profile: Profile) -> list[Step]:
    recollected = [
        Step(
            f"recollect-{reading}",
            "reread.recollect",
            needs=("tags", "vocabulary", "pretrain", *(("finetune",) if "supervised" in roles else ())),
            settings=("collection.batch_size", *_COUNTED),
            arguments={"reading": reading},
        )
        for reading, roles in READ_OTHERWISE.items()
    ]
    compared = Step(
        "definitions",
        "reread.compare_definitions",
        needs=("preferences", *(step.name for step in recollected)),
        settings=("pretraining.units", *_STAGES),
    )
    return [*recollected, compared]


def _declare_controls(profile: Profile) -> list[Step]:
    read = control_stages(profile)
    if not read:
        return []
    needs = ("corpora", "vocabulary", "pretrain", "finetune")
    steps = [
        Step(
            f"finetune-{control.name}",
            "train.finetune",
            needs,
            _FINETUNING,
            {"seed": control.seed(profile), "shuffled": control.number if control.kind == "shuffled" else 0},
            rule="finetune-control",
        )
        for control in finetuning_controls(profile)
    ]
    if has_constant(profile):
        settings, given = ("seed", "pretraining"), {"constant": True}
        steps.append(Step("pretrain-constant", "train.pretrain", ("vocabulary",), settings, given))
    compared = Step(
        "controls",
        "compare.compare_controls",
        needs=(
            *("finetune", "preferences"),
            *(step.name for step in steps),
            *(f"collect-{stage.name}" for stage in read),
        ),
        settings=(
            *("seed", "finetuning", "controls", "nulls", "encoder", "pretraining.schedule", "pretraining.units"),
            *_COUNTED,
        ),
    )
    return [*steps, *_declare_collection(profile, read), compared]


def _declare_truth(profile: Profile) -> list[Step]:
    """What is known of generated text."""
    both = tuple(f"collect-{stage.name}" for stage in stages(profile) if stage.role in ("zero-shot", "supervised"))
    shuffled = ("finetune-shuffled-1",) if profile.controls.shuffled_labels else ()
    return [
        Step(
            "sentence",
            "recover.follow_sentence",
            needs=("corpora", "tags", "vocabulary", "pretrain", "finetune", *shuffled, *both),
            settings=("seed", "controls.probe_tokens", "finetuning.max_tokens", *_COUNTED),
        ),
    ]


def _declare_study(profile: Profile) -> list[Step]:
    """Of a study of what is known: a step for each seed, so that one that was killed loses one seed at most."""
    study = profile.truth.model_dump() | {"seeds": 1}
    seeds = {f"truth-seed-{seed}": seed for seed in range(profile.seed, profile.seed + profile.truth.seeds)}
    planted = [
        Step(name, "recover.recover_planted", arguments={"seed": seed, "study": study}, rule="plant")
        for name, seed in seeds.items()
    ]
    given = {"seeds": seeds, "parameters": profile.parameters}
    return [*planted, Step("tables", "gather.gather_study", tuple(seeds), ("name",), given)]
