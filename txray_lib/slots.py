"""Texts through an encoder side by side: a slot whose text has ended takes the next one. May touch: errors, encoders.

The hidden state starts from zero at every text and runs through it. Slots are read in windows of a few tokens, and a text
begins with a window, so that a text wastes half a window on average, however unequal the lengths; batches sorted by length
would wait for the longest of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from txray_lib.encoders.lstm import Encoder, State, exact_products
from txray_lib.errors import TxrayError

WINDOW = 16
"""Shorter ones waste less of their last slot and cost more calls: of 8, 16, 32 the best for paragraphs and reviews."""


@dataclass(frozen=True)
class Window:
    """The next tokens of the text in each slot.

    text         which of the texts, in the order in which they were given, (rows,)
    offset       the token of it that the window starts with, (rows,)
    size         how many tokens of it are in the window, from 1 to WINDOW, (rows,)
    activations  (rows, WINDOW, units) on the encoder's device; what lies past a row's `size` means nothing
    """

    text: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    activations: Tensor


@torch.no_grad()
def windows(encoder: Encoder, texts: Iterable[np.ndarray], slots: int, device: str = "cpu") -> Iterator[Window]:
    """Read token ids, an int array a text, in at most `slots` rows. Texts are taken in their order as slots become free.

    The encoder is left as it was found, and TF32 off. Raises TxrayError where it gives something else than `Encoder`.
    """
    waiting = ((number, ids) for number, ids in enumerate(texts) if len(ids))
    here: list[tuple[int, np.ndarray]] = []
    offset, ended, step = np.empty(0, np.int64), np.empty(0, bool), np.arange(WINDOW)
    kind = next((p.dtype for p in encoder.parameters()), torch.float32)
    state: State = (torch.zeros(1, 0, encoder.units, device=device, dtype=kind),) * 2
    with _evaluating(encoder, device):
        while True:
            going = np.flatnonzero(~ended)
            taken = list(islice(waiting, slots - len(going)))
            if len(going) < len(here) or taken:
                rows = torch.from_numpy(going).to(device)
                start = torch.zeros(1, len(taken), encoder.units, device=device, dtype=kind)
                state = tuple(torch.cat([part.index_select(1, rows), start], dim=1) for part in state)
            here = [*(here[row] for row in going), *taken]
            if not here:
                return
            offset = np.concatenate([offset[going] + WINDOW, np.zeros(len(taken), np.int64)])
            length = np.array([len(text) for _, text in here])
            size = np.minimum(length - offset, WINDOW)
            ended = offset + WINDOW >= length
            ids = np.zeros((len(here), WINDOW), np.int64)
            ids[step < size[:, None]] = np.concatenate(
                [text[first : first + WINDOW] for (_, text), first in zip(here, offset.tolist(), strict=True)]
            )
            found = encoder(torch.from_numpy(ids).to(device), state)
            _check(found, encoder, len(here))
            activations, state = found
            yield Window(np.array([number for number, _ in here]), offset, size, activations)


@contextmanager
def _evaluating(module: nn.Module, device: str) -> Iterator[None]:
    """In this context a module is on `device` and in evaluation mode; afterwards it is as it was."""
    exact_products()
    modes = [(part, part.training) for part in module.modules()]
    home = next((p.device for p in module.parameters()), device)
    module.eval().to(device)
    try:
        yield
    finally:
        module.to(home)
        for part, training in modes:
            part.training = training


def _check(found: object, encoder: Encoder, rows: int) -> None:
    state = (1, rows, encoder.units)
    wanted = ((rows, WINDOW, encoder.units), (state, state))
    if (given := _shapes(found)) != wanted:
        raise TxrayError(
            f"the module {type(encoder).__name__} gave {given} for {rows} texts of {WINDOW} tokens, and {wanted} is wanted:"
            " activations (texts, tokens, units), and the state to go on from, a pair of (1, texts, units)"
        )


def _shapes(found: object) -> object:
    """The shapes of tensors, however they are nested; of anything else what it is."""
    if isinstance(found, (tuple, list)):
        return tuple(map(_shapes, found))
    return tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
