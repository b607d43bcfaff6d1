"""Records: the step collect. May touch: corpora, training, collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from txray_lib import places
from txray_lib.corpora import load_corpus_file
from txray_lib.flow import Run
from txray_lib.stages import Stage
from txray_lib.steps.files import read_vocabulary, write_frame

if TYPE_CHECKING:
    from txray_lib.training.encoder import Classifier, Encoder


def collect(stage: Stage, run: Run, folder: Path) -> None:
    from txray_lib.collection import collect

    vocabulary = read_vocabulary(run)
    role = "target" if stage.corpus == run.profile.corpora.target.name else "pretraining"
    corpus = load_corpus_file(run.file("tags", f"{role}.parquet"))
    collected = collect(
        load_model(run, stage),
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


def load_model(run: Run, stage: Stage) -> Encoder | Classifier:
    """The weights of a stage, as they were trained."""
    from txray_lib.training import load_classifier, load_encoder

    digest = read_vocabulary(run).digest()
    if stage.role == "supervised":
        return load_classifier(run.file("finetune", "supervised.safetensors"), digest)
    return load_encoder(run.file("pretrain", f"{stage.snapshot}.safetensors"), digest)
