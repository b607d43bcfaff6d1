"""The encoder E of the paper, one LSTM layer (S1), and the two models that train it. May touch: errors, torch."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from txray_lib.errors import TxrayError

State = tuple[Tensor, Tensor]


def rounded_to(precision: str, device: str) -> torch.autocast:
    """In this context products of `precision` "bfloat16" are rounded to it; with "float32" nothing is.

    Raises TxrayError where the processor has no such products.
    """
    rounds, kind = precision == "bfloat16", torch.device(device).type
    if rounds and not has_bfloat16(kind):
        raise TxrayError(
            f"pretraining.precision is bfloat16, and an LSTM on this machine's {kind} has no products of that kind (a processor"
            " needs AVX-512 BF16 or AMX): say precision: float32 in the profile, or train on another machine"
        )
    return torch.autocast(kind, torch.bfloat16, enabled=rounds)


@cache
def has_bfloat16(device: str) -> bool:
    """Whether an LSTM on this kind of device trains with products rounded to bfloat16: tried on one step of one unit."""
    lstm = nn.LSTM(1, 1).to(device)
    try:
        with torch.autocast(device, torch.bfloat16):
            lstm(torch.zeros(1, 1, 1, device=device))[0].sum().backward()
    except RuntimeError:
        return False
    return True


def exact_products() -> None:
    """From now on float32 products on a GPU are float32 ones, and not TF32, which cuDNN's LSTM would take by itself."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


class Encoder(nn.Module):
    """Token ids to activations: an embedding and one LSTM layer; the activations are its hidden states."""

    def __init__(self, words: int, embedding_size: int, units: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, embedding_size)
        self.lstm = nn.LSTM(embedding_size, units, batch_first=True)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    @property
    def words(self) -> int:
        return self.embedding.num_embeddings

    @property
    def units(self) -> int:
        return self.lstm.hidden_size

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """ids (batch, time) to activations (batch, time, units) and the state to go on from, 2 × (1, batch, units)."""
        return self.lstm(self.embedding(ids), state)


class LanguageModel(nn.Module):
    """Predicts the next token. Its output weights are the embedding's, reached through a linear map from the units."""

    def __init__(self, encoder: Encoder, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.to_embedding = nn.Linear(encoder.units, encoder.embedding.embedding_dim)
        self.bias = nn.Parameter(torch.zeros(encoder.words))

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """ids (batch, time) to logits (batch, time, words) and the state to go on from."""
        embedded = self.dropout(self.encoder.embedding(ids))
        activations, state = self.encoder.lstm(embedded, state)
        output = self.to_embedding(self.dropout(activations))
        return functional.linear(output, self.encoder.embedding.weight, self.bias), state


class Classifier(nn.Module):
    """One linear layer and a sigmoid on the encoder's last hidden state (S4)."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.output = nn.Linear(encoder.units, 1)

    def last_hidden_states(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """ids (batch, time) padded on the right, lengths (batch,), to the states after each last token (batch, units).

        A text of no tokens leaves the state it started from, zero.
        """
        activations, _ = self.encoder(ids)
        last = activations[torch.arange(len(ids), device=ids.device), (lengths - 1).clamp_min(0)]
        return last * (lengths > 0).unsqueeze(1)

    def logits(self, states: Tensor) -> Tensor:
        """Last hidden states (batch, units) to logits (batch,); sigmoid of these is ŷ."""
        return self.output(states).squeeze(1)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.logits(self.last_hidden_states(ids, lengths))
