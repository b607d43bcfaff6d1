"""What each step of a run does: it reads the files of earlier steps, calls the rooms, writes files. May touch: every room
of the computing half, and tagging when a corpus is tagged.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from txray_lib import places
from txray_lib.corpora import (
    Corpus,
    Vocabulary,
    build_vocabulary,
    load_corpus_file,
    load_imdb,
    load_wikitext,
    save_corpus,
)
from txray_lib.corpora.documents import content_hash
from txray_lib.corpora.sampling import label_balanced_sample, shared_texts, validation_part
from txray_lib.flow import Run, Step
from txray_lib.profiles import Profile
from txray_lib.provenance import provenance
from txray_lib.stages import Stage, comparisons, stages
from txray_lib.tables import read_table, write_table

_SPLITS = ("train", "valid", "test")


def declare(profile: Profile) -> list[Step]:
    """The steps of a run of `profile`, each after what it needs."""
    collects = tuple(f"collect-{stage.name}" for stage in stages(profile))
    text = ("stages", "corpora", "worlds")
    model = ("training/encoder", "training/snapshots", "training/texts")
    return [
        Step(
            "corpora",
            "read or generate the two corpora and choose the text of each stage",
            (),
            ("seed", "corpora", "world", "collection.tokens", "finetuning.reviews"),
            text,
            _corpora,
        ),
        Step(
            "tags",
            "tag the text of the stages",
            ("corpora",),
            ("tagger", "collection.tokens"),
            ("corpora/documents", "tagging"),
            _tags,
        ),
        Step(
            "vocabulary",
            "build the vocabulary and encode the training text",
            ("corpora",),
            ("vocabulary",),
            ("corpora/vocabulary",),
            _vocabulary,
        ),
        Step(
            "pretrain",
            "pretrain the language model and keep snapshots",
            ("vocabulary",),
            ("seed", "pretraining"),
            (*model, "training/pretraining"),
            _pretrain,
        ),
        Step(
            "finetune",
            "fine-tune the encoder on the labels",
            ("vocabulary", "pretrain"),
            ("seed", "finetuning"),
            (*model, "training/finetuning"),
            _finetune,
        ),
        *(
            Step(
                f"collect-{stage.name}",
                f"collect the records of {stage.name}",
                ("tags", "vocabulary", "finetune" if stage.role == "supervised" else "pretrain"),
                ("collection.batch_size",),
                (*model, "collection"),
                partial(_collect, stage),
            )
            for stage in stages(profile)
        ),
        Step(
            "preferences",
            "sum the records",
            collects,
            ("collection.exclude_unknown",),
            ("preferences", "stages", "collection"),
            _preferences,
        ),
        Step(
            "transfer",
            "compare the stages",
            ("preferences",),
            ("pretraining.units",),
            ("preferences", "transfer", "stages"),
            _transfer,
        ),
        Step(
            "prune",
            "prune the sets A–D and score the classifier",
            ("transfer", "finetune", "vocabulary"),
            ("seed", "pruning", "finetuning.max_tokens"),
            (*model, "training/finetuning", "pruning"),
            _prune,
        ),
        Step(
            "tables",
            "gather the tables that the book reads",
            ("corpora", "tags", "vocabulary", "pretrain", "finetune", *collects, "preferences", "transfer", "prune"),
            ("name", "about"),
            ("steps", "tables", "stages"),
            _tables,
            place=places.live_results(profile.name),
        ),
    ]


def _corpora(run: Run, folder: Path) -> None:
    profile, tokens = run.profile, run.profile.collection.tokens
    wanted = profile.finetuning.reviews
    pretraining, target = _load(profile, "pretraining").require_text(), _load(profile, "target").require_text()
    if not target.split("valid").documents:
        target = validation_part(target, wanted.valid, profile.seed)
    chosen = {split: _balanced(target.split(split), getattr(wanted, split), profile.seed) for split in _SPLITS}
    shared = shared_texts(target)
    samples = {
        "pretraining": pretraining.split("train").head(tokens),
        "target": label_balanced_sample(target, tokens, profile.seed),
    }
    for role, corpus in (("pretraining", pretraining), ("target", target)):
        save_corpus(_whole_documents(samples[role], corpus), folder / f"stage-{role}.parquet")
    save_corpus(pretraining.split("train", "valid"), folder / "pretraining.parquet")
    save_corpus(Corpus(target.name, tuple(d for part in chosen.values() for d in part)), folder / "target.parquet")
    measures = [
        (corpus.name, name, value)
        for corpus, sample in ((pretraining, samples["pretraining"]), (target, samples["target"]))
        for name, value in _measures(corpus, sample)
    ]
    measures.append((target.name, "shared_texts", len(shared)))
    measures += [(target.name, f"finetuning_{split}_reviews", len(part)) for split, part in chosen.items()]
    _write_frame(pd.DataFrame(measures, columns=["corpus", "measure", "value"]), folder / "measures.parquet")
    facts = {
        "hashes": {c.name: content_hash(c) for c in (pretraining, target)},
        "shared": sorted(name for names in shared for name in names),
    }
    places.write_text(json.dumps(facts), folder / "facts.json")
    if profile.world:
        from txray_lib.worlds import truth

        _write_frame(truth(_world_size(profile), profile.seed), folder / "truth.parquet")


def _tags(run: Run, folder: Path) -> None:
    from txray_lib.tagging import accuracy, load_tagger, tag_corpus

    tagger, measures = load_tagger(run.profile.tagger), []
    for role in ("pretraining", "target"):
        tagged = tag_corpus(load_corpus_file(run.file("corpora", f"stage-{role}.parquet")), tagger)
        tagged = tagged.head(run.profile.collection.tokens)
        save_corpus(tagged, folder / f"{role}.parquet")
        if any(d.gold for d in tagged):
            measures.append(accuracy(tagged).reset_index(names="tag").assign(corpus=tagged.name))
    if measures:
        _write_frame(pd.concat(measures, ignore_index=True), folder / "accuracy.parquet")


def _vocabulary(run: Run, folder: Path) -> None:
    from txray_lib.training.texts import encode_stream, encode_texts

    pretraining = load_corpus_file(run.file("corpora", "pretraining.parquet"))
    settings = run.profile.vocabulary
    vocabulary = build_vocabulary(pretraining.split("train"), settings.size, settings.lowercase)
    vocabulary.save(folder / "vocabulary.json")
    for split in ("train", "valid"):
        np.save(folder / f"stream-{split}.npy", encode_stream(pretraining.split(split), vocabulary), allow_pickle=False)
    target = load_corpus_file(run.file("corpora", "target.parquet"))
    for split in _SPLITS:
        encode_texts(target.split(split), vocabulary).save(folder / f"texts-{split}.npz")
    samples = [load_corpus_file(run.file("corpora", f"stage-{role}.parquet")) for role in ("pretraining", "target")]
    measures = [(sample.name, "unknown_share", vocabulary.unknown_share(sample)) for sample in samples]
    measures.append((pretraining.name, "vocabulary", len(vocabulary)))
    _write_frame(pd.DataFrame(measures, columns=["corpus", "measure", "value"]), folder / "measures.parquet")


def _pretrain(run: Run, folder: Path) -> None:
    from txray_lib.training import pretrain, save_snapshot

    vocabulary = _read_vocabulary(run)
    curve = pretrain(
        run.profile.pretraining,
        len(vocabulary),
        *(np.load(run.file("vocabulary", f"stream-{split}.npy"), allow_pickle=False) for split in ("train", "valid")),
        run.profile.seed,
        lambda epoch, encoder: save_snapshot(encoder, folder / f"epoch-{epoch}.safetensors", vocabulary.digest()),
        folder / "checkpoint.safetensors",
        run.device,
    )
    _write_frame(curve, folder / "curve.parquet")


def _finetune(run: Run, folder: Path) -> None:
    from txray_lib.training import finetune, last_hidden_states, load_encoder, save_snapshot
    from txray_lib.training.finetuning import scores_table

    vocabulary, settings = _read_vocabulary(run), run.profile.finetuning
    encoder = load_encoder(
        run.file("pretrain", f"epoch-{run.profile.pretraining.epochs}.safetensors"), vocabulary.digest()
    )
    texts = _read_texts(run)
    classifier, curve = finetune(
        settings,
        encoder,
        texts["train"],
        texts["valid"],
        run.profile.seed,
        folder / "checkpoint.safetensors",
        run.device,
    )
    save_snapshot(classifier, folder / "supervised.safetensors", vocabulary.digest())
    states = {
        split: last_hidden_states(classifier, part, run.device, f"scoring {split}") for split, part in texts.items()
    }
    for split, rows in states.items():
        np.save(folder / f"states-{split}.npy", rows.numpy(), allow_pickle=False)
    shared = frozenset(json.loads(run.file("corpora", "facts.json").read_text(encoding="utf-8"))["shared"])
    _write_frame(scores_table(classifier, texts, states, shared), folder / "scores.parquet")
    _write_frame(curve, folder / "curve.parquet")


def _collect(stage: Stage, run: Run, folder: Path) -> None:
    from txray_lib.collection import collect
    from txray_lib.training import load_classifier, load_encoder

    vocabulary = _read_vocabulary(run)
    if stage.role == "supervised":
        model = load_classifier(run.file("finetune", "supervised.safetensors"), vocabulary.digest())
    else:
        model = load_encoder(run.file("pretrain", f"{stage.snapshot}.safetensors"), vocabulary.digest())
    role = "target" if stage.corpus == run.profile.corpora.target.name else "pretraining"
    corpus = load_corpus_file(run.file("tags", f"{role}.parquet"))
    collected = collect(model, corpus, vocabulary, run.profile.collection.batch_size, run.device, stage.name)
    _write_frame(collected.records, folder / "records.parquet")
    counts = {
        "documents": len(corpus),
        "tokens": corpus.token_count,
        "nobody": collected.nobody,
        "near_ties": collected.near_ties,
    }
    places.write_text(json.dumps(counts), folder / "counts.json")


def _preferences(run: Run, folder: Path) -> None:
    from txray_lib.collection import halves
    from txray_lib.corpora import UNKNOWN
    from txray_lib.preferences import aggregate, without_features

    def preferences(records: pd.DataFrame) -> pd.DataFrame:
        summed = aggregate(records)
        return without_features(summed, [UNKNOWN]) if run.profile.collection.exclude_unknown else summed

    controls = {c.before.partition("/")[0] for c in comparisons(run.profile) if c.question == "control"}
    for stage in stages(run.profile):
        records = read_table(run.file(f"collect-{stage.name}", "records.parquet"))
        _write_frame(preferences(records), folder / f"{stage.name}.parquet")
        if stage.name in controls:
            for half, part in zip(("first-half", "second-half"), halves(records), strict=True):
                _write_frame(preferences(part), folder / stage.name / f"{half}.parquet")


def _transfer(run: Run, folder: Path) -> None:
    from txray_lib.transfer import compare

    tables = []
    for comparison in comparisons(run.profile):
        before, after = (
            read_table(run.file("preferences", f"{side}.parquet")) for side in (comparison.before, comparison.after)
        )
        table = compare(before, after, run.profile.pretraining.units)
        tables.append(table.assign(comparison=comparison.name, **asdict(comparison)))
    order = ["comparison", "question", "before", "after"]
    transfer = pd.concat(tables, ignore_index=True)
    _write_frame(transfer[[*order, *transfer.columns.drop(order)]], folder / "transfer.parquet")


def _prune(run: Run, folder: Path) -> None:
    import torch

    from txray_lib.pruning import pruning_sets, pruning_table
    from txray_lib.training import load_classifier

    settings, splits = run.profile.pruning, ("train", "test")
    transfer = read_table(run.file("transfer", "transfer.parquet")).query("question == 'rq3'").reset_index(drop=True)
    texts = _read_texts(run)
    table = pruning_table(
        load_classifier(run.file("finetune", "supervised.safetensors"), _read_vocabulary(run).digest()),
        transfer,
        pruning_sets(transfer, settings.set_size),
        {split: texts[split] for split in splits},
        {
            split: torch.from_numpy(np.load(run.file("finetune", f"states-{split}.npy"), allow_pickle=False))
            for split in splits
        },
        settings.reviews,
        settings.random_sets,
        run.profile.seed,
        run.device,
    )
    _write_frame(table, folder / "pruning.parquet")


def _tables(run: Run, folder: Path) -> None:
    facts = json.loads(run.file("corpora", "facts.json").read_text(encoding="utf-8"))
    source = provenance(run.profile.name, run.profile.seed, facts["hashes"])
    tables = {
        "stages": _stages_table(run),
        "transfer": read_table(run.file("transfer", "transfer.parquet")),
        "training": pd.concat(
            [
                read_table(run.file("pretrain", "curve.parquet")).assign(phase="pretraining"),
                read_table(run.file("finetune", "curve.parquet")).assign(phase="finetuning"),
            ],
            ignore_index=True,
        ),
        "scores": read_table(run.file("finetune", "scores.parquet")),
        "pruning": read_table(run.file("prune", "pruning.parquet")),
        "corpora": _corpora_table(run),
    }
    optional = {"truth": ("corpora", "truth.parquet"), "tag_accuracy": ("tags", "accuracy.parquet")}
    tables |= {name: read_table(run.file(*where)) for name, where in optional.items() if run.file(*where).is_file()}
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet", source)
    for stage in stages(run.profile):
        write_table(
            read_table(run.file("preferences", f"{stage.name}.parquet")),
            folder / "preferences" / f"{stage.name}.parquet",
            source,
        )
    seconds = {name: s for name, s in run.seconds().items() if name != "tables"}
    places.write_text(json.dumps({**source, "seconds": seconds}, indent=1), folder / "provenance.json")
    places.write_text(
        yaml.safe_dump(run.profile.model_dump(), sort_keys=False, allow_unicode=True), folder / "profile.yaml"
    )


def _stages_table(run: Run) -> pd.DataFrame:
    rows = []
    for stage in stages(run.profile):
        counts = json.loads(run.file(f"collect-{stage.name}", "counts.json").read_text(encoding="utf-8"))
        preferred = read_table(run.file("preferences", f"{stage.name}.parquet"))["neuron"].nunique()
        named = {"stage" if key == "name" else key: value for key, value in asdict(stage).items()}
        rows.append({**named, **counts, "preferred": preferred, "neurons": run.profile.pretraining.units})
    return pd.DataFrame(rows)


def _corpora_table(run: Run) -> pd.DataFrame:
    parts = [read_table(run.file(step, "measures.parquet")) for step in ("corpora", "vocabulary")]
    if run.file("tags", "accuracy.parquet").is_file():
        scored = read_table(run.file("tags", "accuracy.parquet")).query("tag == 'all'")
        parts.append(pd.DataFrame({"corpus": scored["corpus"], "measure": "tag_accuracy", "value": scored["share"]}))
    return pd.concat(parts, ignore_index=True).astype({"value": np.float64})


def _load(profile: Profile, role: str) -> Corpus:
    settings = getattr(profile.corpora, role)
    if settings.source == "world":
        from txray_lib import worlds

        return (worlds.encyclopedia if role == "pretraining" else worlds.reviews)(
            _world_size(profile), profile.seed, settings.name
        )
    return {"wikitext-2": load_wikitext, "imdb": load_imdb}[settings.source](settings.name)


def _world_size(profile: Profile) -> Any:
    from txray_lib.worlds import WorldSize

    world = profile.world
    return WorldSize(world.encyclopedia_tokens, profile.finetuning.reviews.model_dump(), world.words, world.noise)


def _balanced(corpus: Corpus, count: int, seed: int) -> tuple[Any, ...]:
    from txray_lib.training.texts import balanced_sample

    labels = np.array([d.label for d in corpus])
    return tuple(corpus.documents[i] for i in balanced_sample(labels, count, seed))


def _whole_documents(sample: Corpus, corpus: Corpus) -> Corpus:
    """The sample with its last document uncut, so that tags are made on whole sentences."""
    last = next(d for d in corpus if d.name == sample.documents[-1].name)
    return replace(sample, documents=(*sample.documents[:-1], last))


def _measures(corpus: Corpus, sample: Corpus) -> list[tuple[str, float]]:
    return [
        ("documents", len(corpus)),
        ("tokens", corpus.token_count),
        ("blocks", len({d.block for d in corpus})),
        ("stage_documents", len(sample)),
        ("stage_blocks", len({d.block for d in sample})),
        ("stage_types", len({t for d in sample for t in d.tokens})),
    ]


def _read_vocabulary(run: Run) -> Vocabulary:
    return Vocabulary.load(run.file("vocabulary", "vocabulary.json"))


def _read_texts(run: Run) -> dict[str, Any]:
    from txray_lib.training.texts import Texts

    limit = run.profile.finetuning.max_tokens
    return {split: Texts.load(run.file("vocabulary", f"texts-{split}.npz")).cut(limit) for split in _SPLITS}


def _write_frame(table: pd.DataFrame, path: Path) -> None:
    write_table(table, path, {})
