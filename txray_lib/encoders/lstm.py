"""The encoder E of the paper, one LSTM layer (S1), the two models that train it, and texts that such an encoder reads.

May touch: errors, torch.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from txray_lib.errors import TxrayError

State = tuple[Tensor, Tensor]

WINDOW = 16
"""Shorter ones waste less of their last slot and cost more calls: of 8, 16, 32 the best for paragraphs and reviews."""


def rounded_to(precision: str, device: str) -> torch.autocast:
    """In this context products of `precision` "bfloat16" are rounded to it; with "float32" nothing is.

    Raises TxrayError where the processor has no such products.
    """
    rounds, kind = precision == "bfloat16", torch.device(device).type
    if rounds and not has_bfloat16(kind):
        raise TxrayError(
            f"the profile asks for bfloat16, and an LSTM on this machine's {kind} has no products of that kind (a processor"
            " needs AVX-512 BF16 or AMX): say precision: float32 in the profile, or train on another machine"
        )
    return torch.autocast(kind, torch.bfloat16, enabled=rounds)


@cache
def has_bfloat16(device: str) -> bool:
    """Whether an LSTM on this kind of device trains with products rounded to bfloat16: tried on one step of one unit."""
    lstm = nn.LSTM(1, 1).to(device)
    try:
        with torch.enable_grad(), torch.autocast(device, torch.bfloat16):
            lstm(torch.zeros(1, 1, 1, device=device))[0].sum().backward()
    except RuntimeError:
        return False
    return True


def exact_products() -> None:
    """From now on float32 products on a GPU are float32 ones, and not TF32, which cuDNN's LSTM would take by itself."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


class Encoder(nn.Module):
    """Token ids to activations: an embedding of `words` rows and one LSTM layer, whose hidden states are the activations."""

    layers = (0,)
    """The numbers of its layers, as `LayeredEncoder` has them."""

    def __init__(self, words: int, embedding_size: int, units: int) -> None:
        super().__init__()
        self.words, self.units, self.width = words, units, units
        self.embedding = nn.Embedding(words, embedding_size)
        self.lstm = nn.LSTM(embedding_size, units, batch_first=True)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """ids (batch, time) to activations (batch, time, units) and the state to go on from, 2 × (1, batch, units)."""
        return self.lstm(self.embedding(ids), state)

    def summarise(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """ids (batch, time) padded on the right, lengths (batch,), to the states after each last token (batch, units).

        A text of no tokens leaves the state it started from, zero.
        """
        activations, _ = self(ids)
        last = activations[torch.arange(len(ids), device=ids.device), (lengths - 1).clamp_min(0)]
        return last * (lengths > 0).unsqueeze(1)

    @contextmanager
    def without(self, neurons: Mapping[int, np.ndarray]) -> Iterator[None]:
        """In this context some neurons of its layer, {0: numbers}, are 0 whatever the text: cut out of the recurrence too."""
        with cut_out({0: self.lstm}, neurons, self.units):
            yield


def number_neurons(neurons: object, units: int) -> Tensor:
    """The numbers of some of `units` neurons, (neurons,), int64. Raises TxrayError for anything else, such as a mask."""
    try:
        given = np.asarray(neurons)
    except ValueError:  # of lists of unequal lengths
        given = np.empty(())
    if given.ndim != 1 or (len(given) and (given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= units)):
        raise TxrayError(
            f"{neurons!r:.60} are no neurons: a list of numbers from 0 to {units - 1} is wanted; of a mask, np.flatnonzero(mask)"
        )
    return torch.from_numpy(given.astype(np.int64))


@contextmanager
def cut_out(cells: Mapping[int, nn.LSTM | nn.GRU], neurons: Mapping[int, np.ndarray], units: int) -> Iterator[None]:
    """In this context some of the `units` neurons of layers, numbered through their directions, are 0 whatever the text, and so
    read by no other.

    What such a neuron would take in is 0 (the third gate of either cell), so that its state stays the zero it begins with.
    Raises TxrayError for a layer that `cells` lack, and for what are no neurons.
    """
    if not set(neurons) <= set(cells):
        raise TxrayError(f"neurons are cut out of the layers that are read, here {list(cells)}")
    chosen = {layer: number_neurons(given, units) for layer, given in neurons.items()}
    whole = [(each, {name: value.clone() for name, value in each.state_dict().items()}) for each in cells.values()]
    try:
        with torch.no_grad():
            for layer, numbers in chosen.items():
                hidden = cells[layer].hidden_size
                for name, parameter in cells[layer].named_parameters():
                    first = hidden * name.endswith("_reverse")
                    own = numbers[(numbers >= first) & (numbers < first + hidden)] - first
                    parameter[own + 2 * hidden] = 0
        yield
    finally:
        for each, weights in whole:
            each.load_state_dict(weights)


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
    """One linear layer and a sigmoid on the encoder's last hidden state (S4), or on what another one says of a whole text.

    encoder  an `Encoder`, or one of layers: both have `width` and `summarise`
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.output = nn.Linear(getattr(encoder, "width", None) or encoder.units, 1)

    def logits(self, states: Tensor) -> Tensor:
        """Last hidden states (batch, width) to logits (batch,); sigmoid of these is ŷ."""
        return self.output(states).squeeze(1)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """ids (batch, time) padded on the right, lengths (batch,), to logits (batch,)."""
        return self.logits(self.encoder.summarise(ids, lengths))


@dataclass(frozen=True)
class Window:
    """The next tokens of the text in each slot.

    place        where the first of them stands: the place of the text's first token plus how many have been read, (rows,)
    size         how many there are, from 1 to WINDOW, (rows,)
    activations  (rows, WINDOW, units) on the encoder's device; what lies past a row's `size` means nothing
    """

    place: np.ndarray
    size: np.ndarray
    activations: Tensor

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """The place of each token, and whether there is one, (rows, WINDOW) each."""
        step = np.arange(WINDOW)
        return self.place[:, None] + step, step < self.size[:, None]


@torch.no_grad()
def windows(
    encoder: Encoder, texts: Iterable[tuple[int, np.ndarray]], slots: int, device: str = "cpu"
) -> Iterator[Window]:
    """Read texts in at most `slots` rows, in their order as slots become free: the place that is given to a text's first
    token, and its ids, an int array.

    The encoder is first tried on two texts of three tokens, so that texts and time cannot be taken for each other; it is left as
    it was found, and TF32 off. Raises TxrayError where it gives something else than `Encoder`, or for a text something else than
    for its tokens one by one.
    """
    waiting = ((place, ids) for place, ids in texts if len(ids))
    here: list[tuple[int, np.ndarray]] = []
    offset, ended, step = np.empty(0, np.int64), np.empty(0, bool), np.arange(WINDOW)
    with evaluating(encoder, device):
        kind = _try(encoder, device)
        state: State = (torch.zeros(1, 0, encoder.units, device=device, dtype=kind),) * 2
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
            activations, state = _read(encoder, torch.from_numpy(ids).to(device), state)
            yield Window(np.array([place for place, _ in here]) + offset, size, activations)


@contextmanager
def evaluating(module: nn.Module, device: str) -> Iterator[None]:
    """In this context a module is on `device` and in evaluation mode; afterwards it is as it was, and so are its buffers.

    Raises TxrayError where it cannot be put there, or lies on several devices.
    """
    exact_products()
    name, homes = type(module).__name__, {value.device for value in (*module.parameters(), *module.buffers())}
    if len(homes) > 1:
        raise TxrayError(f"the module {name} lies on {sorted(map(str, homes))}: put all of it on one device")
    modes = [(part, part.training, dict(part._buffers.items())) for part in module.modules()]
    values = {buffer: buffer.clone() for buffer in module.buffers()}
    try:
        try:
            module.eval().to(device)
        except (RuntimeError, AssertionError, TypeError) as error:
            raise TxrayError(f"the module {name} cannot be put on the device {device!r}: {error}") from error
        yield
    finally:
        module.to(*homes or [device])
        for part, training, _ in modes:
            if part.training != training:
                part.train(training)  # a part may do more than note it, as one that merges its weights for evaluation
        for part, training, buffers in modes:
            part.training = training
            for key, buffer in buffers.items():
                part._buffers[key] = buffer
        with torch.inference_mode():  # in which both its own tensors and others can be written to
            for buffer, value in values.items():
                if not (buffer.is_meta or torch.equal(buffer.to_dense(), value.to_dense())):
                    buffer.copy_(value)


def _try(encoder: Encoder, device: str) -> torch.dtype:
    """Read two texts of three tokens, the last word among them; the first also alone, two tokens and then one. What differs by
    more than half precision does is told. Gives the type of state that the module takes, the widest of those of its weights."""
    ids = torch.zeros(2, 3, dtype=torch.int64, device=device)
    ids[0, 2] = ids[1, 0] = encoder.words - 1
    kinds = dict.fromkeys(p.dtype for p in encoder.parameters() if p.is_floating_point()) or [torch.float32]
    refused = None
    for kind in sorted(kinds, key=lambda kind: -torch.finfo(kind).bits):
        start: State = (torch.zeros(1, 2, encoder.units, device=device, dtype=kind),) * 2
        try:
            at_once, _ = _read(encoder, ids, start)
            break
        except TxrayError as error:
            refused = refused or error
    else:
        raise refused
    begun, state = _read(encoder, ids[:1, :2], tuple(part[:, :1] for part in start))
    _read(encoder, ids[1:, :2], tuple(part[:, 1:] for part in start))  # which the module may not remember
    ended, _ = _read(encoder, ids[:1, 2:], state)
    if (torch.cat([begun, ended], dim=1) - at_once[:1]).abs().max() > 0.05 * at_once.abs().max():
        raise TxrayError(
            f"the module {type(encoder).__name__} gives other activations for a text that it reads in parts or alone: let its"
            " forward go on from the state that it is given, draw nothing at random, and look at no other text and no later token"
        )
    return kind


def _read(encoder: Encoder, ids: Tensor, state: State) -> tuple[Tensor, State]:
    """What the module gives for ids (texts, tokens), detached, once its shapes are those of `Encoder`: activations in float32,
    the state in the type of that which it is given."""
    states = (1, len(ids), encoder.units)
    wanted = ((*ids.shape, encoder.units), (states, states))
    try:
        with torch.autocast(ids.device.type, enabled=False):
            found = encoder(ids, state)
    except torch.OutOfMemoryError:
        raise TxrayError(
            f"the device has no room for {len(ids)} texts side by side in {type(encoder).__name__}: lower batch_size"
        ) from None
    except Exception as error:
        raise TxrayError(
            f"the module {type(encoder).__name__} of {encoder.words} words and {encoder.units} units cannot read {len(ids)} texts"
            f" of {ids.shape[1]} tokens ({type(error).__name__}: {error}). Its forward is given ids (texts, tokens) and the state,"
            " a pair of (1, texts, units), and gives activations (texts, tokens, units) and the state to go on from."
        ) from error
    if (given := _shapes(found)) != wanted:
        raise TxrayError(
            f"the module {type(encoder).__name__} gave {given} for {len(ids)} texts of {ids.shape[1]} tokens, and {wanted} is"
            " wanted: activations (texts, tokens, units), and the state to go on from, a pair of (1, texts, units)"
        )
    activations, (hidden, cell) = found
    if activations.is_complex():
        raise TxrayError(
            f"the module {type(encoder).__name__} gave activations of {activations.dtype}, and real ones are wanted"
        )
    hidden, cell = (part.detach().to_dense().to(state[0].dtype) for part in (hidden, cell))
    return activations.detach().to_dense().float(), (hidden, cell)


def _shapes(found: object) -> object:
    """The shapes of tensors, however they are nested; of anything else what it is."""
    if isinstance(found, (tuple, list)):
        return tuple(map(_shapes, found))
    return tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
