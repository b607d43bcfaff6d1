"""From files or grammars to token ids: the steps corpora, tags and vocabulary. May touch: corpora, worlds, tagging."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from txray_lib import places
from txray_lib.corpora import (
    Corpus,
    build_vocabulary,
    load_corpus_file,
    load_imdb,
    load_labelled,
    load_text,
    load_wikitext,
    load_words,
    save_corpus,
)
from txray_lib.corpora.documents import content_hash
from txray_lib.corpora.own import shared_blocks
from txray_lib.corpora.sampling import label_balanced_sample, shared_texts, validation_part
from txray_lib.corpora.wikitext import is_heading
from txray_lib.errors import TxrayError
from txray_lib.steps.files import SPLITS, write_frame
from txray_lib.steps.task import Task


def corpora(task: Task, folder: Path) -> None:
    profile, tokens = task.profile, task.profile.collection.tokens
    wanted = profile.finetuning.reviews
    pretraining, (target, labels) = _pretraining(task).require_text(), _target(task)
    if not target.split("valid").documents:
        target = validation_part(target, wanted.valid, profile.seed)
    chosen = {split: _balanced(target.split(split), getattr(wanted, split), profile.seed) for split in SPLITS}
    shared = shared_texts(target)
    samples = {
        "pretraining": pretraining.split("train").head(tokens),
        "target": label_balanced_sample(target, tokens, profile.seed),
    }
    if samples["pretraining"].token_count < tokens:
        raise TxrayError(
            f"collection.tokens asks for {tokens:,}; {pretraining.name!r} has only {samples['pretraining'].token_count:,}"
        )
    for role, corpus in (("pretraining", pretraining), ("target", target)):
        save_corpus(_whole_documents(samples[role], corpus), folder / f"stage-{role}.parquet")
    save_corpus(pretraining.split("train", "valid"), folder / "pretraining.parquet")
    save_corpus(Corpus(target.name, tuple(d for part in chosen.values() for d in part)), folder / "target.parquet")
    measures = [
        (corpus.name, name, value)
        for corpus, sample in ((pretraining, samples["pretraining"]), (target, samples["target"]))
        for name, value in _measures(corpus, sample)
    ]
    if profile.corpora.pretraining.source == "wikitext-2":
        measures.append((pretraining.name, "stage_headings", sum(map(is_heading, samples["pretraining"]))))
    measures.append((target.name, "shared_texts", len(shared)))
    measures += [(target.name, f"finetuning_{split}_reviews", len(part)) for split, part in chosen.items()]
    write_frame(pd.DataFrame(measures, columns=["corpus", "measure", "value"]), folder / "measures.parquet")
    facts = {
        "hashes": {c.name: content_hash(c) for c in (pretraining, target)},
        "shared": sorted(name for names in shared for name in names),
        "labels": {target.name: labels} if labels else {},
    }
    places.write_text(json.dumps(facts), folder / "facts.json")
    if profile.corpora.target.source == "world":
        from txray_lib.worlds import truth

        write_frame(truth(_world_size(profile), profile.seed), folder / "truth.parquet")


def tags(task: Task, folder: Path) -> None:
    from txray_lib.tagging import accuracy, load_tagger, tag_corpus

    tagger, measures = load_tagger(task.profile.tagger), []
    for role in ("pretraining", "target"):
        tagged = tag_corpus(load_corpus_file(task.file("corpora", f"stage-{role}.parquet")), tagger)
        tagged = tagged.head(task.profile.collection.tokens)
        save_corpus(tagged, folder / f"{role}.parquet")
        if any(d.gold for d in tagged):
            measures.append(accuracy(tagged).reset_index(names="tag").assign(corpus=tagged.name))
    if measures:
        write_frame(pd.concat(measures, ignore_index=True), folder / "tag_accuracy.parquet")


def vocabulary(task: Task, folder: Path) -> None:
    from txray_lib.encoders.encoded import encode_stream, encode_texts

    pretraining = load_corpus_file(task.file("corpora", "pretraining.parquet"))
    settings, own = task.profile.vocabulary, task.profile.encoder
    if own:
        vocabulary = load_words(task.own_file(own.vocabulary), settings.lowercase)[0]
    else:
        vocabulary = build_vocabulary(pretraining.split("train"), settings.size, settings.lowercase)
    vocabulary.save(folder / "vocabulary.json")
    for split in ("train", "valid"):
        np.save(folder / f"stream-{split}.npy", encode_stream(pretraining.split(split), vocabulary), allow_pickle=False)
    target = load_corpus_file(task.file("corpora", "target.parquet"))
    for split in SPLITS:
        encode_texts(target.split(split), vocabulary).save(folder / f"texts-{split}.npz")
    samples = [load_corpus_file(task.file("corpora", f"stage-{role}.parquet")) for role in ("pretraining", "target")]
    measures = [(sample.name, "unknown_share", vocabulary.unknown_share(sample)) for sample in samples]
    measures.append((pretraining.name, "vocabulary", len(vocabulary)))
    write_frame(pd.DataFrame(measures, columns=["corpus", "measure", "value"]), folder / "measures.parquet")


def _pretraining(task: Task) -> Corpus:
    profile, settings = task.profile, task.profile.corpora.pretraining
    if settings.source == "world":
        from txray_lib import worlds

        return worlds.encyclopedia(_world_size(profile), profile.seed, settings.name)
    if settings.path:
        return load_text(task.own_file(settings.path), settings.name, profile.seed)
    return load_wikitext(settings.name)


def _target(task: Task) -> tuple[Corpus, tuple[str, str] | None]:
    """The labelled corpus, and what its labels 0 and 1 are called where it is the user's own."""
    profile, settings = task.profile, task.profile.corpora.target
    if settings.source == "world":
        from txray_lib import worlds

        return worlds.reviews(_world_size(profile), profile.seed, settings.name), None
    if not settings.path:
        return load_imdb(settings.name), None
    sizes = profile.finetuning.reviews.model_dump()
    columns = settings.columns.model_dump() if settings.columns else {}
    path = task.own_file(settings.path)
    read = load_labelled(path, settings.name, sizes, profile.seed, columns, settings.delimiter)
    task.say(f"{settings.path}: the label {read.labels[0]!r} is 0, {read.labels[1]!r} is 1, the class whose F1 is told")
    if read.unread:
        task.say(f"{settings.path}: columns that are not read: {', '.join(read.unread)}")
    if both := shared_blocks(read.corpus):
        task.say(f"{settings.path}: blocks with texts in more than one split: {both:,}")
    return read.corpus, read.labels


def _world_size(profile: Any) -> Any:
    from txray_lib.worlds import WorldSize

    world = profile.world
    return WorldSize(world.encyclopedia_tokens, profile.finetuning.reviews.model_dump(), world.words, world.noise)


def _balanced(corpus: Corpus, count: int, seed: int) -> tuple[Any, ...]:
    from txray_lib.encoders.encoded import balanced_sample

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
