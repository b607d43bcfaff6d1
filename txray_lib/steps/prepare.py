"""From files or grammars to token ids: the steps corpora, tags and vocabulary. May touch: corpora, worlds, tagging, encoders."""

import json
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from txray_lib import places, tagging, worlds
from txray_lib.corpora import Corpus
from txray_lib.corpora.documents import (
    SPLITS,
    content_hash,
    deal_blocks,
    label_balanced_sample,
    load_corpus_file,
    save_corpus,
    shared_texts,
)
from txray_lib.corpora.own import load_labelled, load_text, load_words
from txray_lib.corpora.published import is_heading, load_imdb, load_wikitext
from txray_lib.corpora.vocabulary import build_vocabulary
from txray_lib.encoders.encoded import balanced_sample, encode_stream, encode_texts
from txray_lib.errors import TxrayError
from txray_lib.steps import Task
from txray_lib.tables import write_table

_ROLES = ("pretraining", "target")
_MEASURES = ["corpus", "measure", "value"]


def prepare_corpora(task: Task, folder: Path) -> None:
    """Read or generate the two corpora and choose the text of each stage."""
    profile, tokens = task.profile, task.profile.collection.tokens
    pretraining, (target, labels) = _read_pretraining(task).require_text(), _read_target(task)
    if not target.split("valid").documents:
        target = deal_blocks(target, {"valid": profile.finetuning.reviews.valid}, profile.seed)
    reviews = {}
    for split, count in profile.finetuning.reviews.model_dump().items():
        documents = target.split(split).documents
        drawn = balanced_sample(np.array([document.label for document in documents]), count, profile.seed)
        reviews[split] = [documents[i] for i in drawn]
    shared = shared_texts(target)
    sample = pretraining.split("train").head(tokens)
    if sample.token_count < tokens:
        raise TxrayError(f"collection.tokens asks for {tokens:,}; {pretraining.name!r} has only {sample.token_count:,}")
    target_sample = label_balanced_sample(target, tokens, profile.seed)
    save_corpus(_with_last_whole(sample, pretraining), folder / "stage-pretraining.parquet")
    save_corpus(_with_last_whole(target_sample, target), folder / "stage-target.parquet")
    save_corpus(pretraining.split("train", "valid"), folder / "pretraining.parquet")
    save_corpus(Corpus(target.name, tuple(chain.from_iterable(reviews.values()))), folder / "target.parquet")
    measures = [*_measure(pretraining, sample), *_measure(target, target_sample)]
    if profile.corpora.pretraining.source == "wikitext-2":
        measures.append((pretraining.name, "stage_headings", sum(map(is_heading, sample))))
    measures.append((target.name, "shared_texts", len(shared)))
    measures += [(target.name, f"finetuning_{split}_reviews", len(part)) for split, part in reviews.items()]
    write_table(pd.DataFrame(measures, columns=_MEASURES), folder / "measures.parquet")
    facts = {
        "hashes": {corpus.name: content_hash(corpus) for corpus in (pretraining, target)},
        "shared": sorted(name for names in shared for name in names),
        "labels": {target.name: labels} if labels else {},
    }
    places.write_text(json.dumps(facts), folder / "facts.json")
    if profile.corpora.target.source == "world":
        write_table(worlds.truth(profile.world.words, profile.seed), folder / "truth.parquet")


def tag_texts(task: Task, folder: Path) -> None:
    """Tag the text of the stages."""
    tagger = tagging.load_tagger()
    for role in _ROLES:
        tagged = tagging.tag_corpus(load_corpus_file(task.file("corpora", f"stage-{role}.parquet")), tagger)
        save_corpus(tagged.head(task.profile.collection.tokens), folder / f"stage-{role}.parquet")


def encode_corpora(task: Task, folder: Path) -> None:
    """Build the vocabulary, or take the own encoder's, and encode the training text."""
    pretraining = load_corpus_file(task.file("corpora", "pretraining.parquet"))
    settings, own = task.profile.vocabulary, task.profile.encoder
    if own:
        vocabulary = load_words(task.own[own.vocabulary], settings.lowercase, task.say)[0]
    else:
        vocabulary = build_vocabulary(pretraining.split("train"), settings.size, settings.lowercase)
    vocabulary.save(folder / "vocabulary.json")
    for split in ("train", "valid"):
        np.save(folder / f"stream-{split}.npy", encode_stream(pretraining.split(split), vocabulary), allow_pickle=False)
    target = load_corpus_file(task.file("corpora", "target.parquet"))
    for split in SPLITS:
        encode_texts(target.split(split), vocabulary).save(folder / f"texts-{split}.npz")
    samples = [load_corpus_file(task.file("corpora", f"stage-{role}.parquet")) for role in _ROLES]
    samples = [sample.head(task.profile.collection.tokens) for sample in samples]
    measures = [(sample.name, "unknown_share", vocabulary.unknown_share(sample)) for sample in samples]
    measures.append((pretraining.name, "vocabulary", len(vocabulary)))
    write_table(pd.DataFrame(measures, columns=_MEASURES), folder / "measures.parquet")


def _read_pretraining(task: Task) -> Corpus:
    profile, settings = task.profile, task.profile.corpora.pretraining
    if settings.source == "world":
        return worlds.encyclopedia(profile.world.encyclopedia_tokens, profile.world.words, profile.seed, settings.name)
    if settings.path:
        return load_text(task.own[settings.path], settings.name, profile.seed, task.say)
    return load_wikitext(settings.name)


def _read_target(task: Task) -> tuple[Corpus, tuple[str, str] | None]:
    """The labelled corpus, and what its labels 0 and 1 are called where it is the user's own."""
    profile, settings = task.profile, task.profile.corpora.target
    sizes = profile.finetuning.reviews.model_dump()
    if settings.source == "world":
        return worlds.reviews(sizes, profile.world.words, profile.world.noise, profile.seed, settings.name), None
    if not settings.path:
        return load_imdb(settings.name), None
    how = (settings.columns, settings.delimiter, settings.positive)
    read = load_labelled(task.own[settings.path], settings.name, sizes, profile.seed, *how, task.say)
    return read.corpus, read.labels


def _with_last_whole(sample: Corpus, corpus: Corpus) -> Corpus:
    """The sample with its last document uncut, so that tags are made on whole sentences."""
    last = next(document for document in corpus if document.name == sample.documents[-1].name)
    return replace(sample, documents=(*sample.documents[:-1], last))


def _measure(corpus: Corpus, sample: Corpus) -> list[tuple[str, str, float]]:
    counts = {
        "documents": len(corpus),
        "tokens": corpus.token_count,
        "blocks": len({document.block for document in corpus}),
        "stage_documents": len(sample),
        "stage_blocks": len({document.block for document in sample}),
        "stage_types": len({token for document in sample for token in document.tokens}),
    }
    return [(corpus.name, name, value) for name, value in counts.items()]
