"""Pretraining by language modelling, in the standard way (§3.1, S2). May touch: errors, profiles, corpora, snapshots.

The documents of a split are one stream of token ids with `<eos>` after each, cut into `batch_size` lanes that are read
in windows; the state is carried from window to window. The random state is the seed's, so a training that was killed
goes on from its checkpoint to the same weights (on a CPU; dropout on a GPU draws from a state that is not kept).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from txray_lib.encoders.lstm import Encoder, LanguageModel, State, exact_products, rounded_to
from txray_lib.encoders.snapshots import add_to_curve, load_checkpoint, save_checkpoint
from txray_lib.errors import TxrayError
from txray_lib.profiles import Pretraining
from txray_lib.progress import bar

CHECKPOINT_SECONDS = 60.0
CLIP = 0.25
_WARM_UP = 0.2
_UNREAD = 50
"""Updates whose loss may wait to be read."""


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
    torch.manual_seed(seed)
    model = LanguageModel(Encoder(words, settings.embedding_size, settings.units), settings.dropout).to(device)
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
        add_to_curve(progress, 0, valid_perplexity=perplexity(model, valid, settings, device))
    began, saved = time.monotonic() - progress["seconds"], time.monotonic()
    total = settings.epochs * len(starts)
    with bar(total, "pretraining", "window", progress["epoch"] * len(starts) + progress["window"]) as ticker:
        for epoch in range(progress["epoch"], settings.epochs):
            model.train()
            loss = torch.tensor(progress["loss"], dtype=torch.float64, device=device)
            for number in range(progress["window"], len(starts)):
                now = learning_rate(settings, (epoch * len(starts) + number) / total)
                latest, state = _update(model, optimiser, settings, now, lanes, starts[number], state)
                loss += latest
                ticker.update()
                due = bool(checkpoint) and time.monotonic() - saved > CHECKPOINT_SECONDS
                if due or number % _UNREAD == 0 or number + 1 == len(starts):
                    progress.update(window=number + 1, loss=_read(loss, now), seconds=time.monotonic() - began)
                if checkpoint and due:
                    save_checkpoint(checkpoint, model, optimiser, {"h": state[0], "c": state[1]}, progress)
                    saved = time.monotonic()
            measures = {
                "train_perplexity": _perplexity(progress["loss"] / len(starts)),
                "valid_perplexity": perplexity(model, valid, settings, device),
                "learning_rate": learning_rate(settings, ((epoch + 1) * len(starts) - 1) / total),
            }
            add_to_curve(progress, epoch + 1, **measures)
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


def _perplexity(mean_loss: float) -> float:
    try:
        return math.exp(mean_loss)
    except OverflowError:
        raise TxrayError(
            f"the pretraining diverged, its loss is {mean_loss:.0f}: lower pretraining.learning_rate"
        ) from None


def _update(
    model: LanguageModel,
    optimiser: torch.optim.Optimizer,
    settings: Pretraining,
    rate: float,
    lanes: Tensor,
    start: int,
    state: State | None,
) -> tuple[Tensor, State]:
    for group in optimiser.param_groups:
        group["lr"] = rate
    inputs, targets = _window(lanes, start, settings.window)
    with rounded_to(settings.precision, lanes.device.type):
        logits, (h, c) = model(inputs, state)
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimiser.step()
    return loss.detach(), (h.detach(), c.detach())


def _read(loss: Tensor, rate: float) -> float:
    """The loss so far; read now and then, for to read each update's would make a GPU wait."""
    if not math.isfinite(value := loss.item()):
        raise TxrayError(
            f"the pretraining loss became {value}: lower pretraining.learning_rate (now {rate:.2g} at this update)"
        )
    return value


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
