"""The steps that stand beside the paper's own: other readings, controls, what is known of a world, a study of planted encoders.

May touch: profiles, stages, steps.
"""

from __future__ import annotations

from txray_lib.profiles import Profile
from txray_lib.stages import READ_OTHERWISE, stages
from txray_lib.steps.controls import Control, finetuning_controls, has_constant
from txray_lib.steps.declared import ENCODED, RECORDS, SCORED, STAGES, WORDS, Step, last, unique, weights
from txray_lib.steps.sentence import SENTENCE_TABLES, shuffled_step, sides_of
from txray_lib.steps.truth import TABLES


def switch_steps(profile: Profile) -> list[Step]:
    readings = []
    for reading, roles in READ_OTHERWISE.items():
        read = [stage for stage in stages(profile) if stage.role in roles]
        readings.append(
            Step(
                f"recollect-{reading}",
                f"read the stages again, as the released code does ({reading})",
                "switched.recollect",
                makes=tuple(f"{stage.name}.parquet" for stage in read),
                reads=(*unique(map(weights, read)), "tags/pretraining.parquet", "tags/target.parquet", WORDS),
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
                *("transfer/transfer.parquet", "prune/pruning.parquet", "recollect-*.parquet"),
                *SCORED,
            ),
            settings=("pretraining.units", "pruning.set_size", "finetuning.max_tokens", *STAGES),
        ),
    ]


def control_steps(profile: Profile) -> list[Step]:
    probed = [stage for stage in stages(profile) if stage.role in ("untrained", "early", "last")]
    probe = Step(
        "probe",
        "probe the encoder for tags",
        "controlled.probe_tags",
        makes=("probe.parquet",),
        reads=("tags/pretraining.parquet", WORDS, *map(weights, probed)),
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
            *(f"{step.name}/*.parquet" for step in trained),
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
        reads=(*ENCODED, last(profile), "corpora/facts.json", "finetune/curve.parquet"),
        settings=("seed", "finetuning", "pretraining.epochs"),
        arguments={"control": control},
        rule="finetune-control",
    )
    collected = Step(
        f"collect-control-{control.name}",
        f"collect the records of the control {control.name}",
        "controlled.collect_classifier",
        makes=RECORDS,
        reads=(f"{trained.name}/supervised.safetensors", WORDS, "tags/target.parquet"),
        settings=("collection.batch_size", "finetuning.max_tokens"),
        arguments={"control": control},
        rule="collect-control",
    )
    return [trained, collected]


def _constant_control(profile: Profile) -> list[Step]:
    epochs = sorted(profile.pretraining.snapshots)
    snapshots = tuple(f"epoch-{epoch}.safetensors" for epoch in epochs)
    return [
        Step(
            "pretrain-constant",
            "pretrain the language model at a constant learning rate",
            "controls.pretrain_constant",
            makes=(*snapshots, "curve.parquet"),
            reads=(WORDS, "vocabulary/stream-*"),
            settings=("seed", "pretraining"),
        ),
        Step(
            "collect-control-constant",
            "collect the records of the encoders trained at a constant rate",
            "controlled.collect_constant",
            makes=tuple(name for epoch in epochs for name in (f"records-{epoch}.parquet", f"counts-{epoch}.json")),
            reads=("pretrain-constant/epoch-*", WORDS, "tags/pretraining.parquet"),
            settings=("collection.batch_size", "finetuning.max_tokens", "pretraining.snapshots"),
        ),
    ]


def word_steps(profile: Profile) -> list[Step]:
    """Of generated text alone: a sentence of a real corpus must not be published."""
    if profile.corpora.target.source != "world":
        return []
    shuffled, both = shuffled_step(profile), sides_of(profile).values()
    return [
        Step(
            "truth-words",
            "see whether gained neurons prefer the words that carry sentiment",
            "truth.truth_words",
            makes=("truth_words.parquet",),
            reads=(
                *("corpora/truth.parquet", "transfer/transfer.parquet"),
                *(f"preferences/{stage.name}.parquet" for stage in both),
            ),
            settings=("seed", *STAGES),
        ),
        Step(
            "sentence",
            "read one sentence by TX-Ray and by three other methods",
            "sentence.one_sentence",
            makes=tuple(f"{name}.parquet" for name in SENTENCE_TABLES),
            reads=(
                *("corpora/truth.parquet", "corpora/target.parquet", "tags/target.parquet", WORDS),
                *map(weights, both),
                *(f"collect-{stage.name}/records.parquet" for stage in both),
                *((f"{shuffled}/supervised.safetensors",) if shuffled else ()),
            ),
            settings=(
                *("seed", "controls.probe_tokens", "controls.finetuning_seeds", "controls.shuffled_labels"),
                *("finetuning.max_tokens", "collection.exclude_unknown", *STAGES),
            ),
        ),
    ]


def study_steps(profile: Profile) -> list[Step]:
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
        reads=("truth-seed-*",),
        settings=("name",),
        arguments={"steps": seeds, "parameters": profile.parameters},
    )
    return [*planted, gathering]
