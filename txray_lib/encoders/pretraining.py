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
from txray_lib.encoders.snapshots import load_checkpoint, save_checkpoint
from txray_lib.errors import TxrayError
from txray_lib.profiles import Pretraining
from txray_lib.progress import bar

CHECKPOINT_SECONDS = 60.0
CLIP = 0.25
_WARM_UP = 0.2
_UNREAD = 50


def learning_rate(settings: Pretraining, done: float) -> float:
    """The rate after a share `done` in [0, 1] of all updates: constant, or one cycle of cosines up and then down to 0."""
    if settings.schedule == "constant":
        return settings.learning_rate
    if done < _WARM_UP:
        share = 0.04 + 0.96 * (1 - math.cos(math.pi * done / _WARM_UP)) / 2
    else:
        share = (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2
    return settings.learning_rate * share


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
        _note(progress, 0, valid_perplexity=perplexity(model, valid, settings, device))
    began, saved = time.monotonic() - progress["seconds"], time.monotonic()
    total, unread = settings.epochs * len(starts), list[Tensor]()
    with bar(total, "pretraining", "window", progress["epoch"] * len(starts) + progress["window"]) as ticker:
        for epoch in range(progress["epoch"], settings.epochs):
            model.train()
            for number in range(progress["window"], len(starts)):
                now = learning_rate(settings, (epoch * len(starts) + number) / total)
                loss, state = _update(model, optimiser, settings, now, lanes, starts[number], state)
                unread.append(loss)
                ticker.update()
                due = bool(checkpoint) and time.monotonic() - saved > CHECKPOINT_SECONDS
                if due or len(unread) == _UNREAD or number + 1 == len(starts):
                    for value in _read(unread, now):
                        progress["loss"] += value
                    progress.update(window=number + 1, seconds=time.monotonic() - began)
                if checkpoint and due:
                    save_checkpoint(checkpoint, model, optimiser, _extra(state), progress)
                    saved = time.monotonic()
            rate = learning_rate(settings, ((epoch + 1) * len(starts) - 1) / total)
            valid_perplexity = perplexity(model, valid, settings, device)
            train_perplexity = _perplexity(progress["loss"] / len(starts))
            _note(
                progress,
                epoch + 1,
                train_perplexity=train_perplexity,
                valid_perplexity=valid_perplexity,
                learning_rate=rate,
            )
            ticker.set_postfix_str(f"epoch {epoch + 1}: validation perplexity {valid_perplexity:.1f}")
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


def _read(losses: list[Tensor], rate: float) -> list[float]:
    """Losses that are not read yet, which then are none; to read each at once would make a GPU wait."""
    values = torch.stack(losses).tolist()
    losses.clear()
    if bad := [value for value in values if not math.isfinite(value)]:
        raise TxrayError(
            f"the pretraining loss became {bad[0]}: lower pretraining.learning_rate (now {rate:.2g} at this update)"
        )
    return values


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


def _extra(state: State) -> dict[str, Tensor]:
    return {"h": state[0], "c": state[1]}


def _note(progress: dict[str, Any], epoch: int, **measures: float) -> None:
    progress["curve"] += [
        {"epoch": float(epoch), "measure": name, "value": value, "seconds": progress["seconds"]}
        for name, value in measures.items()
    ]
