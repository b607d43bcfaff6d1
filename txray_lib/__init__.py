"""What the neurons of a text encoder prefer, and how training changes it.

    import txray_lib as tx

    run = tx.open_run("demo")                       # the files of a finished run: encoders, vocabulary, tagged text
    text = run.corpus("target")
    before = tx.collect(run.model("zero-shot"), text, run.vocabulary).preferences
    after = tx.collect(run.model("supervised"), text, run.vocabulary).preferences
    table = tx.compare(before, after, run.profile.pretraining.units)  # a row a neuron: shared, avoided, gained; distance; lengths

    tx.open_results("demo").transfer("rq3")         # the same from tables alone, without torch

The computing half, up to `steps`, makes the tables of a run; the telling half, from `results` on, needs no torch. A room
imports only rooms before it (README.md names them in order).
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "open_run": "engine",
    "train_run": "engine",
    "open_results": "results",
    "load_text": "corpora.own",
    "load_labelled": "corpora.own",
    "build_vocabulary": "corpora.vocabulary",
    "load_tagger": "tagging",
    "tag_corpus": "tagging",
    "collect": "collection",
    "from_activations": "collection",
    "load_transformer": "encoders.transformers",
    "collect_layers": "layers",
    "add": "preferences",
    "compare": "transfer",
    "TxrayError": "errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
