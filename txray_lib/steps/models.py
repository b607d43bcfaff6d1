"""Weights and records: the steps pretrain, finetune and collect. May touch: training, collection."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from txray_lib import places
from txray_lib.corpora import load_corpus_file
from txray_lib.flow import Run
from txray_lib.stages import Stage
from txray_lib.steps.files import read_texts, read_vocabulary, write_frame


def pretrain(run: Run, folder: Path) -> None:
    from txray_lib.training import pretrain, save_snapshot

    vocabulary = read_vocabulary(run)
    curve = pretrain(
        run.profile.pretraining,
        len(vocabulary),
        *(np.load(run.file("vocabulary", f"stream-{split}.npy"), allow_pickle=False) for split in ("train", "valid")),
        run.profile.seed,
        lambda epoch, encoder: save_snapshot(encoder, folder / f"epoch-{epoch}.safetensors", vocabulary.digest()),
        folder / "checkpoint.safetensors",
        run.device,
    )
    write_frame(curve, folder / "curve.parquet")


def finetune(run: Run, folder: Path) -> None:
    from txray_lib.training import finetune, last_hidden_states, load_encoder, save_snapshot
    from txray_lib.training.finetuning import scores_table

    vocabulary, settings = read_vocabulary(run), run.profile.finetuning
    encoder = load_encoder(
        run.file("pretrain", f"epoch-{run.profile.pretraining.epochs}.safetensors"), vocabulary.digest()
    )
    texts = read_texts(run)
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
    hidden = {
        split: last_hidden_states(classifier, part, run.device, f"scoring {split}") for split, part in texts.items()
    }
    for split, rows in hidden.items():
        np.save(folder / f"hidden-{split}.npy", rows.numpy(), allow_pickle=False)
    shared = frozenset(json.loads(run.file("corpora", "facts.json").read_text(encoding="utf-8"))["shared"])
    write_frame(scores_table(classifier, texts, hidden, shared), folder / "scores.parquet")
    write_frame(curve, folder / "curve.parquet")


def collect(stage: Stage, run: Run, folder: Path) -> None:
    from txray_lib.collection import collect
    from txray_lib.training import load_classifier, load_encoder

    vocabulary = read_vocabulary(run)
    if stage.role == "supervised":
        model = load_classifier(run.file("finetune", "supervised.safetensors"), vocabulary.digest())
    else:
        model = load_encoder(run.file("pretrain", f"{stage.snapshot}.safetensors"), vocabulary.digest())
    role = "target" if stage.corpus == run.profile.corpora.target.name else "pretraining"
    corpus = load_corpus_file(run.file("tags", f"{role}.parquet"))
    collected = collect(
        model,
        corpus,
        vocabulary,
        run.profile.collection.batch_size,
        run.device,
        stage.name,
        run.profile.finetuning.max_tokens,
    )
    write_frame(collected.records, folder / "records.parquet")
    counts = {
        "documents": len(corpus),
        "tokens": corpus.token_count,
        "nobody": collected.nobody,
        "near_ties": collected.near_ties,
    }
    places.write_text(json.dumps(counts), folder / "counts.json")
