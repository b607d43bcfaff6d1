"""What encoders of several layers have in common: how their layers are listened to, and how windows of text go through them.

May touch: errors, settings, encoded, pieces.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from txray_lib.encoders.encoded import padded
from txray_lib.encoders.pieces import PieceWindow
from txray_lib.errors import TxrayError
from txray_lib.settings import Reading


class LayeredEncoder(nn.Module, ABC):
    """An encoder that one pass reads in all layers.

    layers     the numbers of the layers that are read, from 0
    units      the neurons of each; width: the dimensions of what the last layer gives
    room       how many pieces go through at once, special ones included; context: how many a recorded word has on both sides
    reading    which value of a word in several pieces is its own, and whether products are rounded
    embedding  of the pieces, which stays as it is in fine-tuning
    description  JSON from which an untrained one of its kind is made

    `forward` maps ids (batch, pieces) padded on the right, and lengths (batch,), to what the last layer gives (batch, pieces,
    width).
    """

    layers: tuple[int, ...]
    units: int
    width: int
    room: int
    context: int
    reading: Reading
    embedding: nn.Module
    description: str

    def summarise(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """What a classifier reads of texts, (batch, width): the mean over their pieces, and 0 for a text of no piece.

        The mean, since GPT-like models have no [CLS] and sentence encoders were trained on it.
        """
        there = (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]).unsqueeze(2)
        return (self(ids, lengths) * there).sum(dim=1) / lengths.clamp_min(1).unsqueeze(1)

    def pieces_at_once(self, device: str) -> int:
        """The most pieces of a batch, padding included, but that a window is never cut for it."""
        return 2**13

    @contextmanager
    def listening(self, hear: Callable[[int, Tensor], None]) -> Iterator[None]:
        """In this context `hear` is given a layer's number and activations (batch, pieces, units) whenever they are computed."""
        with self._hooked(self.layers, lambda layer: lambda value: hear(layer, value)):
            yield

    @abstractmethod
    def without(self, neurons: Mapping[int, np.ndarray]) -> AbstractContextManager[None]:
        """In this context some neurons, by layer, are 0 whatever the text. Raises TxrayError where that cannot be."""

    @contextmanager
    def _hooked(self, layers: Sequence[int], make: Callable[[int], Callable[[Tensor], Any]]) -> Iterator[None]:
        """In this context a function, made for each layer, is given its activations; what it gives takes their place."""
        handles = []
        try:
            for layer in layers:
                use, (module, is_given) = make(layer), self._site(layer)
                if is_given:
                    handles.append(module.register_forward_pre_hook(lambda _, given, use=use: use(given[0])))
                else:
                    handles.append(
                        module.register_forward_hook(
                            lambda _, __, made, use=use: use(made[0] if isinstance(made, tuple) else made)
                        )
                    )
            yield
        finally:
            for handle in handles:
                handle.remove()

    @abstractmethod
    def _site(self, layer: int) -> tuple[nn.Module, bool]:
        """The module that has a layer's activations, and whether it is given them or makes them."""


def choose_layers(chosen: Sequence[int] | None, there: int) -> tuple[int, ...]:
    """The numbers of the layers that are read of so many; all where none is chosen. Raises TxrayError for one that is not there."""
    layers = tuple(sorted(set(range(there) if chosen is None else chosen)))
    if layers[-1] >= there:
        raise TxrayError(f"encoder.layers: there is no layer {layers[-1]}: the model has {there}, numbered from 0")
    return layers


@torch.no_grad()
def read_windows(
    encoder: LayeredEncoder,
    windows: Sequence[PieceWindow],
    hear: Callable[[int, Sequence[PieceWindow], Tensor], None],
    batch_size: int = 64,
    device: str = "cpu",
) -> Iterator[int]:
    """Let windows run through a model in batches of similar length, and hand on what its layers say of their words.

    `hear` is given a layer, the windows of a batch, and a row for each of their recorded words that has pieces, (words, units):
    that of its last piece, or the mean or the largest of its pieces, copied. Yields how many words each batch had. The model is
    to be in evaluation mode on `device`. Raises TxrayError where a layer does not give its neurons of each piece once.
    """
    pooling, kind = encoder.reading.pieces, torch.device(device).type
    rounded = torch.autocast(kind, torch.bfloat16, enabled=encoder.reading.precision == "bfloat16")
    for batch in batches(encoder, windows, batch_size, device):
        ids, lengths = padded([window.ids for window in batch])
        pieces, sizes = _places(batch, ids.shape[1], pooling)
        heard, whole = [], (*ids.shape, encoder.units)

        def pool(layer: int, value: Tensor, batch=batch, pieces=pieces, sizes=sizes, heard=heard, whole=whole) -> None:
            shape = tuple(getattr(value, "shape", ()))
            heard.append((layer, shape))
            if shape == whole:
                read = value.flatten(0, 1)[pieces.to(value.device)].float()
                spans = sizes.to(read.device)
                hear(layer, batch, read if pooling == "last" else torch.segment_reduce(read, pooling, lengths=spans))

        with rounded, encoder.listening(pool):
            encoder(ids.to(device), lengths.to(device))
        if heard != [(layer, whole) for layer in encoder.layers]:
            raise TxrayError(
                f"one pass gave {heard}, and {whole} is wanted once of each layer of {list(encoder.layers)}, (texts, pieces, neurons):"
                " choose another encoder.module, and layers that share none, which could not be told apart"
            )
        yield sum(len(window.sizes) for window in batch)


def batches(
    encoder: LayeredEncoder, windows: Sequence[PieceWindow], batch_size: int, device: str
) -> Iterator[list[PieceWindow]]:
    """Windows of similar length, the longest first: at most `batch_size`, and no more pieces than the encoder takes at once."""
    order, most = sorted(windows, key=lambda window: -len(window.ids)), encoder.pieces_at_once(device)
    while order:
        rows = max(1, min(batch_size, most // len(order[0].ids)))
        yield order[:rows]
        order = order[rows:]


def _places(batch: Sequence[PieceWindow], width: int, pooling: str) -> tuple[Tensor, Tensor]:
    """Where the pieces that are read stand in a batch that lies flat, those of a word in turn, and how many each word has."""
    starts = np.concatenate([window.starts + row * width for row, window in enumerate(batch)])
    sizes = np.concatenate([window.sizes for window in batch])
    starts, sizes = starts[sizes > 0], sizes[sizes > 0]
    if pooling == "last":
        return torch.from_numpy(starts + sizes - 1), torch.ones(len(sizes), dtype=torch.int64)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return torch.from_numpy(np.repeat(starts, sizes) + within), torch.from_numpy(sizes)
