"""Recurrent encoders of several layers or of two directions, LSTMs and GRUs: the user's own. May touch: errors, settings, layered, lstm."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from txray_lib.encoders.layered import LayeredEncoder, choose_layers
from txray_lib.encoders.lstm import cut_out
from txray_lib.settings import Reading

Cell = Literal["lstm", "gru"]


class Recurrent(LayeredEncoder):
    """An embedding and layers of an LSTM or a GRU, each reading what the one below gives (`torch.nn.LSTM`, `torch.nn.GRU`).

    A layer's activations are its hidden states. In two directions its neurons are those of the first, then those of the
    second, which begins at a document's end. The state is zero where a direction begins, and a document goes through whole.
    Without dropout.

    hidden  units of each direction
    depth   how many layers there are; `chosen` are those that are read, all where nothing is said

    Raises TxrayError for a layer that it does not have.
    """

    def __init__(
        self,
        cell: Cell,
        words: int,
        embedding_size: int,
        hidden: int,
        depth: int,
        bidirectional: bool,
        chosen: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.description = json.dumps([cell, words, embedding_size, hidden, depth, bidirectional])
        self.hidden, self.bidirectional, self.reading = hidden, bidirectional, Reading()
        self.layers = choose_layers(chosen, depth)
        self.units = self.width = hidden * (1 + bidirectional)
        self.room, self.context = sys.maxsize, 0
        self.embedding = nn.Embedding(words, embedding_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        sizes = [embedding_size, *[self.units] * (depth - 1)]
        self.stack = nn.ModuleList(_Layer(cell, size, hidden, bidirectional) for size in sizes)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        values = self.embedding(ids)
        for layer in self.stack:
            values = layer(values, lengths)
        return values

    def summarise(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The last layer's state where each direction ends, (batch, width), as §3.3 has it; 0 for a text of no token."""
        values = self(ids, lengths)
        last = values[torch.arange(len(ids), device=ids.device), (lengths - 1).clamp_min(0)]
        if self.bidirectional:
            last = torch.cat([last[:, : self.hidden], values[:, 0, self.hidden :]], dim=1)
        return last * (lengths > 0).unsqueeze(1)

    @contextmanager
    def without(self, neurons: Mapping[int, np.ndarray]) -> Iterator[None]:
        """In this context some neurons, by layer, are 0 whatever the text: cut out of the recurrence too."""
        with cut_out({layer: self.stack[layer].cells for layer in self.layers}, neurons, self.units):
            yield

    def _site(self, layer: int) -> tuple[nn.Module, bool]:
        return self.stack[layer], False


class _Layer(nn.Module):
    """A layer in one or two directions: (batch, tokens, size) padded on the right to hidden states (batch, tokens, units)."""

    def __init__(self, cell: Cell, size: int, hidden: int, bidirectional: bool) -> None:
        super().__init__()
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.cells = kind(size, hidden, batch_first=True, bidirectional=bidirectional)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        ends = lengths.clamp_min(1).cpu()
        packed = pack_padded_sequence(values, ends, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.cells(packed)[0], batch_first=True, total_length=values.shape[1])[0]
