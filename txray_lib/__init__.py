"""What the neurons of a text encoder prefer, and how training changes it.

    import txray_lib as tx

    run = tx.open_run("demo")                       # the files of a finished run: encoders, vocabulary, tagged text
    text = run.corpus("target")
    before = tx.collect(run.model("zero-shot"), text, run.vocabulary).preferences
    after = tx.collect(run.model("supervised"), text, run.vocabulary).preferences
    table = tx.compare(before, after, units=200)    # a row a neuron: shared, avoided, gained; distance; lengths

    tx.open_results("demo").transfer                # the same from tables alone, without torch

The rooms, each importing only those before it: profiles, stages · corpora, worlds, example · tagging · encoders · preferences ·
collection, activations · transfer · pruning · attribution, sentence · steps, flow, costs, engine, runs (the computing half; preferences
needs no torch and is read by the other half too); paper, results, audit · figures · page, explorer, course · book
(the telling half, which needs no torch); cli.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load_profile": "profiles",
    "load_wikitext": "corpora",
    "load_imdb": "corpora",
    "load_text": "corpora",
    "load_labelled": "corpora",
    "build_vocabulary": "corpora",
    "label_balanced_sample": "corpora.sampling",
    "load_tagger": "tagging",
    "tag_corpus": "tagging",
    "pretrain": "encoders",
    "finetune": "encoders",
    "load_encoder": "encoders",
    "load_classifier": "encoders",
    "collect": "collection",
    "from_activations": "activations",
    "aggregate": "preferences",
    "add": "preferences",
    "distributions": "preferences",
    "compare": "transfer",
    "prune_encoder": "pruning",
    "open_run": "runs",
    "train_run": "runs",
    "open_results": "results",
    "TxrayError": "errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
