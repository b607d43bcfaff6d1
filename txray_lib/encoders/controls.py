"""Controls of training: fine-tuning on shuffled labels, a constant learning rate. May touch: what its siblings may."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from txray_lib.encoders.encoded import Texts
from txray_lib.encoders.finetuning import _train, last_hidden_states, predict, score
from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.encoders.pretraining import learning_rate
from txray_lib.encoders.snapshots import load_checkpoint, save_checkpoint
from txray_lib.errors import TxrayError
from txray_lib.profiles import Finetuning, Pretraining
from txray_lib.progress import bar


def with_shuffled_labels(texts: Texts, seed: int, number: int) -> Texts:
    """The same texts, with their labels permuted among them: as many of each label, and nothing real to learn."""
    return replace(texts, labels=np.random.default_rng([seed, number]).permutation(texts.labels))


def kept_updates(curve: pd.DataFrame, settings: Finetuning, reviews: int) -> int:
    """How many updates a fine-tuning on `reviews` texts took up to the classifier that it kept, from its curve.

    That is the first evaluation to reach the target F1, else the first of the highest accuracy, as `finetune` keeps it.
    """
    rows = curve.pivot_table(index="epoch", columns="measure", values="value").sort_index()
    reached = rows["valid_f1"] >= settings.target_f1
    rank = list(zip(reached, rows["valid_accuracy"], strict=True))
    return round(rows.index[rank.index(max(rank))] * math.ceil(reviews / settings.batch_size))


def finetune_for(
    updates: int,
    settings: Finetuning,
    encoder: Encoder,
    train: Texts,
    valid: Texts,
    seed: int,
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> tuple[Classifier, pd.DataFrame]:
    """Fine-tune a copy of `encoder` for exactly so many updates, in the order of batches of `finetune` with this seed.

    Returns the classifier after the last update, whatever it scores, and a curve as that of `finetune`.
    """
    if updates < 1 or not len(train) or not len(valid):
        raise TxrayError(f"{updates} updates on {len(train)} reviews, {len(valid)} to validate on: nothing to train")
    torch.manual_seed(seed)
    classifier = Classifier(copy.deepcopy(encoder)).to(device)
    classifier.encoder.embedding.weight.requires_grad_(False)
    optimiser = torch.optim.Adam([p for p in classifier.parameters() if p.requires_grad], settings.learning_rate)
    progress: dict[str, Any] = {"done": 0, "seconds": 0.0, "curve": []}
    if checkpoint and checkpoint.exists():
        _, progress = load_checkpoint(checkpoint, classifier, optimiser)
    per_epoch = math.ceil(len(train) / settings.batch_size)
    every = max(1, per_epoch // settings.evaluations_per_epoch)
    began = time.monotonic() - progress["seconds"]
    with bar(updates, "fine-tuning a control", "batch", progress["done"]) as ticker:
        while progress["done"] < updates:
            steps = range(progress["done"], min(progress["done"] + every, updates))
            loss = _train(classifier, optimiser, settings, train, seed, steps, per_epoch, device, ticker)
            scores = score(predict(classifier, last_hidden_states(classifier, valid, device)), valid.labels)
            classifier.to(device)
            progress.update(done=steps.stop, seconds=time.monotonic() - began)
            measures = {"train_loss": loss, "valid_f1": scores.f1, "valid_accuracy": scores.accuracy}
            progress["curve"] += [
                {"epoch": steps.stop / per_epoch, "measure": name, "value": value, "seconds": progress["seconds"]}
                for name, value in measures.items()
            ]
            if checkpoint:
                save_checkpoint(checkpoint, classifier, optimiser, {}, progress)
    classifier.encoder.embedding.weight.requires_grad_(True)
    return classifier.cpu().eval(), pd.DataFrame(progress["curve"])


def at_constant_rate(settings: Pretraining, tokens: int) -> Pretraining:
    """The same pretraining on `tokens` token ids at a constant learning rate: the mean of the schedule's over all updates."""
    lane = tokens // settings.batch_size
    updates = settings.epochs * len(range(0, lane - 1, settings.window))
    mean = float(np.mean([learning_rate(settings, done / updates) for done in range(updates)]))
    return settings.model_copy(update={"schedule": "constant", "learning_rate": mean})
