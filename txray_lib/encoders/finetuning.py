"""Supervised fine-tuning (§3.3, S4): labels only, embeddings frozen, no language-model loss. May touch: profiles, texts."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from txray_lib.encoders.encoded import Texts, batches_by_length, padded
from txray_lib.encoders.lstm import Classifier, Encoder, exact_products, rounded_to
from txray_lib.encoders.snapshots import add_to_curve, load_checkpoint, save_checkpoint
from txray_lib.errors import TxrayError
from txray_lib.profiles import Finetuning
from txray_lib.progress import bar

CLIP = 1.0
_EVALUATION_BATCH = 128


@dataclass(frozen=True)
class Scores:
    """Of the positive class at threshold 0.5."""

    reviews: int
    f1: float
    precision: float
    recall: float
    accuracy: float


def score(predictions: np.ndarray, labels: np.ndarray) -> Scores:
    """Scores of ŷ (texts,) against the labels 0 and 1 (texts,). A ratio with nothing below its line is 0."""
    positive, true = predictions > 0.5, labels == 1
    hits = int((positive & true).sum())
    precision = hits / max(int(positive.sum()), 1)
    recall = hits / max(int(true.sum()), 1)
    f1 = 2 * hits / max(int(positive.sum()) + int(true.sum()), 1)
    return Scores(len(labels), f1, precision, recall, float((positive == true).mean()) if len(labels) else 0.0)


@torch.no_grad()
def last_hidden_states(classifier: Classifier, texts: Texts, device: str = "cpu", what: str = "") -> Tensor:
    """The encoder's state after each text, (texts, units), float32 on the CPU: all that the classifier sees of a text."""
    exact_products()
    classifier.eval().to(device)
    states = torch.empty(len(texts), classifier.encoder.units)
    with bar(len(texts), what, "text") as ticker:
        for batch in batches_by_length(texts.lengths, _EVALUATION_BATCH):
            ids, lengths = padded(texts.take(batch).ids)
            states[torch.from_numpy(batch)] = classifier.last_hidden_states(ids.to(device), lengths.to(device)).cpu()
            ticker.update(len(batch))
    return states


@torch.no_grad()
def predict(classifier: Classifier, states: Tensor) -> np.ndarray:
    """ŷ from last hidden states (texts, units), shape (texts,)."""
    return torch.sigmoid(classifier.cpu().logits(states)).numpy()


def finetune(
    settings: Finetuning,
    encoder: Encoder,
    train: Texts,
    valid: Texts,
    seed: int,
    checkpoint: Path | None = None,
    device: str = "cpu",
    updates: int | None = None,
) -> tuple[Classifier, pd.DataFrame]:
    """Fine-tune a copy of `encoder` under a classifier until F1 on `valid` reaches the target, or the epochs are spent.

    Returns the classifier and the curve: epoch (in parts), measure ("train_loss", "valid_f1", "valid_accuracy"), value,
    seconds. Where the target is never reached the classifier is that of the highest accuracy on `valid`: F1 alone would
    choose one that calls every review positive, which scores 0.67 on balanced labels. With `updates` training takes exactly
    so many, in the same order of batches, and the classifier is that after the last, whatever it scores. The test split has
    no part in it.
    """
    if len(set(train.labels.tolist())) < 2 or not len(valid):
        raise TxrayError("fine-tuning needs training reviews of both labels and at least one review to validate on")
    torch.manual_seed(seed)
    classifier = Classifier(copy.deepcopy(encoder)).to(device)
    classifier.encoder.embedding.weight.requires_grad_(False)
    optimiser = torch.optim.Adam([p for p in classifier.parameters() if p.requires_grad], settings.learning_rate)
    progress: dict[str, Any] = {"done": 0, "seconds": 0.0, "best": [False, -1.0], "curve": []}
    best: dict[str, Tensor] = {}
    if checkpoint and checkpoint.exists():
        best, progress = load_checkpoint(checkpoint, classifier, optimiser)
    per_epoch = math.ceil(len(train) / settings.batch_size)
    total, every = updates or settings.epochs * per_epoch, max(1, per_epoch // settings.evaluations_per_epoch)
    began = time.monotonic() - progress["seconds"]
    with bar(total, "fine-tuning", "batch", progress["done"]) as ticker:
        while progress["done"] < total and (updates or not progress["best"][0]):
            losses, steps = [], range(progress["done"], min(progress["done"] + every, total))
            for batch in _batches(train, settings.batch_size, seed, steps):
                losses.append(_update(classifier, optimiser, settings, train.take(batch), device))
                ticker.update()
            scores = score(predict(classifier, last_hidden_states(classifier, valid, device)), valid.labels)
            classifier.to(device)
            progress.update(done=steps.stop, seconds=time.monotonic() - began)
            measures = {"train_loss": float(np.mean(losses)), "valid_f1": scores.f1, "valid_accuracy": scores.accuracy}
            add_to_curve(progress, steps.stop / per_epoch, **measures)
            ticker.set_postfix_str(f"validation F1 {scores.f1:.3f}")
            rank = [scores.f1 >= settings.target_f1, scores.accuracy]
            if updates or rank > progress["best"]:
                progress["best"], best = rank, {k: v.detach().clone() for k, v in classifier.state_dict().items()}
            if checkpoint:
                save_checkpoint(checkpoint, classifier, optimiser, best, progress)
    classifier.load_state_dict(best)
    classifier.encoder.embedding.weight.requires_grad_(True)
    return classifier.cpu().eval(), pd.DataFrame(progress["curve"])


def kept_updates(curve: pd.DataFrame, settings: Finetuning, reviews: int) -> int:
    """How many updates a fine-tuning on `reviews` texts took up to the classifier that it kept, from its curve.

    That is the first evaluation to reach the target F1, else the first of the highest accuracy, as `finetune` keeps it.
    """
    rows = curve.pivot_table(index="epoch", columns="measure", values="value").sort_index()
    reached = rows["valid_f1"] >= settings.target_f1
    rank = list(zip(reached, rows["valid_accuracy"], strict=True))
    return round(rows.index[rank.index(max(rank))] * math.ceil(reviews / settings.batch_size))


def scores_table(
    classifier: Classifier, texts: dict[str, Texts], hidden: dict[str, Tensor], shared: frozenset[str]
) -> pd.DataFrame:
    """Scores by split, with the texts that stand in both splits kept and removed."""
    rows = []
    for split, part in texts.items():
        predictions = predict(classifier, hidden[split])
        for treatment, kept in (("kept", np.arange(len(part))), ("removed", part.without(shared))):
            rows.append(
                {"split": split, "shared_texts": treatment, **asdict(score(predictions[kept], part.labels[kept]))}
            )
    return pd.DataFrame(rows)


def _batches(texts: Texts, size: int, seed: int, steps: range) -> Iterator[np.ndarray]:
    """The batches of the updates numbered `steps`. Those of an epoch follow from the seed and its number."""
    per_epoch = math.ceil(len(texts) / size)
    for epoch in range(steps.start // per_epoch, math.ceil(steps.stop / per_epoch)):
        batches = batches_by_length(texts.lengths, size, np.random.default_rng([seed, epoch]))
        first = epoch * per_epoch
        yield from batches[max(steps.start - first, 0) : steps.stop - first]


def _update(
    classifier: Classifier, optimiser: torch.optim.Optimizer, settings: Finetuning, texts: Texts, device: str
) -> float:
    """One update on a batch of texts; gives its loss."""
    classifier.train()
    ids, lengths = padded(texts.ids)
    with rounded_to(settings.precision, device):
        logits = classifier(ids.to(device), lengths.to(device))
    labels = torch.from_numpy(texts.labels).float().to(device)
    loss = functional.binary_cross_entropy_with_logits(logits.float(), labels)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(classifier.parameters(), CLIP)
    optimiser.step()
    if not math.isfinite(value := loss.item()):
        raise TxrayError(f"the fine-tuning loss became {value}: lower finetuning.learning_rate")
    return value
