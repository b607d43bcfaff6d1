"""Pretraining by language modelling (§3.1, S2), supervised fine-tuning (§3.3, S4). May touch: errors, profiles, corpora, snapshots.

The documents of a split are one stream of token ids with `<eos>` after each, cut into `batch_size` lanes that are read in
windows; the state is carried from window to window. Fine-tuning sees labels only, its embeddings are frozen. The random state
is the seed's, so a training that was killed goes on from its checkpoint to the same weights (on a CPU; dropout on a GPU draws
from a state that is not kept).
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from txray_lib.encoders.encoded import Texts, batches_by_length, padded
from txray_lib.encoders.lstm import Classifier, Encoder, LanguageModel, State, exact_products, rounded_to
from txray_lib.encoders.snapshots import load_checkpoint, save_checkpoint, untrained_encoder
from txray_lib.errors import TxrayError
from txray_lib.profiles import Finetuning, Pretraining
from txray_lib.progress import bar

CHECKPOINT_SECONDS = 60.0
READ_EVERY = 10
"""Updates whose loss is read together, so that a GPU need not wait at each."""
PRETRAINING_CLIP, FINETUNING_CLIP = 0.25, 1.0
_WARM_UP = 0.2
_EVALUATION_BATCH = 128


def learning_rate(settings: Pretraining, done: float) -> float:
    """The rate after a share `done` in [0, 1] of all updates: constant, or one cycle of cosines up and then down to 0."""
    if settings.schedule == "constant":
        return settings.learning_rate
    if done < _WARM_UP:
        share = 0.04 + 0.96 * (1 - math.cos(math.pi * done / _WARM_UP)) / 2
    else:
        share = (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2
    return settings.learning_rate * share


def at_constant_rate(settings: Pretraining, tokens: int) -> Pretraining:
    """The same pretraining on `tokens` token ids at a constant rate, the mean of the schedule's: a control of S2."""
    lane = tokens // settings.batch_size
    updates = settings.epochs * len(range(0, lane - 1, settings.window))
    mean = float(np.mean([learning_rate(settings, done / updates) for done in range(updates)]))
    return settings.model_copy(update={"schedule": "constant", "learning_rate": mean})


def pretrain(
    settings: Pretraining,
    words: int,
    train: np.ndarray,
    valid: np.ndarray,
    seed: int,
    on_snapshot: Callable[[int, Encoder], None],
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> pd.DataFrame:
    """Train on the ids `train`, shape (tokens,), and hand `on_snapshot` the encoder at each wanted epoch.

    Returns the curve: epoch, measure ("train_perplexity", "valid_perplexity", "learning_rate"), value, seconds of
    training so far. Raises TxrayError where a lane would have fewer than two tokens, or the loss stops being a number.
    """
    lanes = _lanes(train, settings.batch_size).to(device)
    encoder = untrained_encoder(words, settings.embedding_size, settings.units, seed)
    model = LanguageModel(encoder, settings.dropout).to(device)
    optimiser = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=lanes.is_cuda
    )
    starts = range(0, lanes.shape[1] - 1, settings.window)
    progress: dict[str, Any] = {"epoch": 0, "window": 0, "loss": 0.0, "seconds": 0.0, "curve": []}
    state: State | None = None
    if checkpoint and checkpoint.exists():
        extra, progress = load_checkpoint(checkpoint, model, optimiser)
        state = (extra["h"].to(device), extra["c"].to(device)) if extra else None
    elif 0 in settings.snapshots:
        on_snapshot(0, model.encoder)
        _add_to_curve(progress, 0, valid_perplexity=perplexity(model, valid, settings, device))
    began, saved = time.monotonic() - progress["seconds"], time.monotonic()
    total = settings.epochs * len(starts)
    with bar(total, "pretraining", "window", progress["epoch"] * len(starts) + progress["window"]) as ticker:
        for epoch in range(progress["epoch"], settings.epochs):
            model.train()
            loss = torch.tensor(progress["loss"], dtype=torch.float64, device=device)
            for number in range(progress["window"], len(starts)):
                now = learning_rate(settings, (epoch * len(starts) + number) / total)
                for group in optimiser.param_groups:
                    group["lr"] = now
                inputs, targets = _window(lanes, starts[number], settings.window)
                with rounded_to(settings.precision, device):
                    logits, (h, c) = model(inputs, state)
                    latest = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
                _update(model, optimiser, latest, PRETRAINING_CLIP)
                loss, state = loss + latest.detach(), (h.detach(), c.detach())
                ticker.update()
                if (number + 1) % READ_EVERY and number + 1 < len(starts):
                    continue
                progress.update(window=number + 1, loss=_read(loss, "pretraining"), seconds=time.monotonic() - began)
                if checkpoint and time.monotonic() - saved > CHECKPOINT_SECONDS:
                    save_checkpoint(checkpoint, model, optimiser, {"h": state[0], "c": state[1]}, progress)
                    saved = time.monotonic()
            measures = {
                "train_perplexity": _perplexity(progress["loss"] / len(starts)),
                "valid_perplexity": perplexity(model, valid, settings, device),
                "learning_rate": learning_rate(settings, ((epoch + 1) * len(starts) - 1) / total),
            }
            _add_to_curve(progress, epoch + 1, **measures)
            ticker.set_postfix_str(f"epoch {epoch + 1}: validation perplexity {measures['valid_perplexity']:.1f}")
            if epoch + 1 in settings.snapshots:
                on_snapshot(epoch + 1, model.encoder)
            progress.update(epoch=epoch + 1, window=0, loss=0.0, seconds=time.monotonic() - began)
            state = None
            if checkpoint:
                save_checkpoint(checkpoint, model, optimiser, {}, progress)
    return pd.DataFrame(progress["curve"])


@torch.no_grad()
def perplexity(model: LanguageModel, ids: np.ndarray, settings: Pretraining, device: str = "cpu") -> float:
    """exp of the mean loss of the next token over the stream `ids`, shape (tokens,), in float32."""
    exact_products()
    model.eval()
    lanes = _lanes(ids, min(settings.batch_size, max(1, len(ids) // (4 * settings.window)))).to(device)
    state, loss, count = None, 0.0, 0
    for start in range(0, lanes.shape[1] - 1, settings.window):
        inputs, targets = _window(lanes, start, settings.window)
        logits, state = model(inputs, state)
        loss += functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        count += targets.numel()
    return _perplexity(loss / count)


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
def last_hidden_states(
    classifier: Classifier, texts: Texts, device: str = "cpu", what: str = "", precision: str = "float32"
) -> Tensor:
    """What the classifier sees of each text, float32 on the CPU: the encoder's state after it, (texts, width).

    precision  of products, as those that it was trained with
    """
    exact_products()
    classifier.eval().to(device)
    states = torch.empty(len(texts), classifier.output.in_features)
    with bar(len(texts), what, "text") as ticker:
        for batch in batches_by_length(texts.lengths, _EVALUATION_BATCH):
            ids, lengths = padded([texts.ids[i] for i in batch])
            with rounded_to(precision, device):
                read = classifier.encoder.summarise(ids.to(device), lengths.to(device))
            states[torch.from_numpy(batch)] = read.float().cpu()
            ticker.update(len(batch))
    return states


@torch.no_grad()
def predict(classifier: Classifier, states: Tensor) -> np.ndarray:
    """ŷ from last hidden states (texts, units), shape (texts,). The classifier stays where it is."""
    states = states.to(classifier.output.weight.device)
    return torch.sigmoid(classifier.logits(states)).cpu().numpy()


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
            classifier.train()
            for batch in _batches(train, settings.batch_size, seed, steps):
                ids, lengths = padded([train.ids[i] for i in batch])
                with rounded_to(settings.precision, device):
                    logits = classifier(ids.to(device), lengths.to(device))
                labels = torch.from_numpy(train.labels[batch]).float().to(device)
                loss = functional.binary_cross_entropy_with_logits(logits.float(), labels)
                _update(classifier, optimiser, loss, FINETUNING_CLIP)
                losses.append(_read(loss, "fine-tuning"))
                ticker.update()
            seen = last_hidden_states(classifier, valid, device, precision=settings.precision)
            scores = score(predict(classifier, seen), valid.labels)
            progress.update(done=steps.stop, seconds=time.monotonic() - began)
            measures = {"train_loss": float(np.mean(losses)), "valid_f1": scores.f1, "valid_accuracy": scores.accuracy}
            _add_to_curve(progress, steps.stop / per_epoch, **measures)
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
        apart = [i for i, name in enumerate(part.names) if name not in shared]
        for treatment, kept in (("kept", range(len(part))), ("removed", apart)):
            rows.append(
                {"split": split, "shared_texts": treatment, **asdict(score(predictions[kept], part.labels[kept]))}
            )
    return pd.DataFrame(rows)


def _update(model: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor, clip: float) -> None:
    """One step down the gradient of `loss`, whose norm is at most `clip`."""
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimiser.step()


def _read(loss: Tensor, training: str) -> float:
    if not math.isfinite(value := loss.item()):
        raise TxrayError(f"the {training} loss became {value}: lower {training.replace('-', '')}.learning_rate")
    return value


def _add_to_curve(progress: dict[str, Any], epoch: float, **measures: float) -> None:
    progress["curve"] += [
        {"epoch": float(epoch), "measure": name, "value": value, "seconds": progress["seconds"]}
        for name, value in measures.items()
    ]


def _perplexity(mean_loss: float) -> float:
    try:
        return math.exp(mean_loss)
    except OverflowError:
        raise TxrayError(
            f"the pretraining diverged, its loss is {mean_loss:.0f}: lower pretraining.learning_rate"
        ) from None


def _lanes(ids: np.ndarray, batch_size: int) -> Tensor:
    length = len(ids) // batch_size
    if length < 2:
        raise TxrayError(
            f"{len(ids)} tokens are too few for {batch_size} lanes of at least 2: lower pretraining.batch_size or give more text"
        )
    return torch.from_numpy(ids[: length * batch_size].astype(np.int64)).view(batch_size, length)


def _window(lanes: Tensor, start: int, window: int) -> tuple[Tensor, Tensor]:
    end = min(start + window, lanes.shape[1] - 1)
    return lanes[:, start:end], lanes[:, start + 1 : end + 1]


def _batches(texts: Texts, size: int, seed: int, steps: range) -> Iterator[np.ndarray]:
    """The batches of the updates numbered `steps`. Those of an epoch follow from the seed and its number."""
    per_epoch = math.ceil(len(texts) / size)
    for epoch in range(steps.start // per_epoch, math.ceil(steps.stop / per_epoch)):
        batches = batches_by_length(texts.lengths, size, np.random.default_rng([seed, epoch]))
        first = epoch * per_epoch
        yield from batches[max(steps.start - first, 0) : steps.stop - first]
