"""A stage's records (§2.1, step 1): for each token the neuron it excites most, and how much. May touch: encoders, preferences.

The hidden state starts from zero at every document and runs through it. Documents are read side by side, each in a slot: one
whose document has ended takes the next. Slots are read in windows of a few tokens and a document begins with a window, so that
it wastes half a window on average, however unequal the lengths. Records are made for some thousand tokens at a time, so memory
does not grow with the corpus; which documents are read together changes no record (law 1).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api.types import union_categoricals
from torch import Tensor, nn

from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.encoders.lstm import Classifier, Encoder, State, exact_products
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY, aggregate
from txray_lib.progress import bar

NEAR_TIE = 1e-6
PART_TOKENS = 2**16
"""Of the documents whose records are held at once; several such parts are on their way at a time."""
WINDOW = 16
"""Shorter ones waste less of their last slot and cost more calls: of 8, 16, 32 the best for paragraphs and reviews."""
_COLUMNS = ["document", "block", "layer", "feature", "tag", "neuron", "activation", "prediction", "y"]


@dataclass(frozen=True)
class Collected:
    """records: a row a token, in the corpus's order (columns in `preferences`); nobody: tokens whose maximum is not
    positive; near_ties: tokens whose two largest activations differ by less than 1e-6; documents: how many were read."""

    records: pd.DataFrame
    nobody: int
    near_ties: int
    documents: int

    @property
    def preferences(self) -> pd.DataFrame:
        """The records summed (§2.1, step 2)."""
        return aggregate(self.records)


def collect(
    model: Encoder | Classifier,
    corpus: Corpus,
    vocabulary: Vocabulary,
    batch_size: int = 64,
    device: str = "cpu",
    what: str = "",
    max_tokens: int | None = None,
) -> Collected:
    """Read a tagged corpus with an encoder, or with a classifier whose ŷ is then recorded for every document.

    `batch_size` documents are read side by side. ŷ is that of the document's first `max_tokens` tokens, as the classifier
    read it in fine-tuning; records go on to the end. An encoder is any module with `words`, `units` and the `forward` of
    `Encoder`; it is left as it was found, and TF32 off. Raises TxrayError for an empty corpus, documents without tags, a
    vocabulary that is not the encoder's, a module that gives something else, or activations that are not numbers.
    """
    total = corpus.require_text().token_count
    parts = [*collect_parts(model, corpus, vocabulary, batch_size, device, what, max_tokens, total)]
    if len(parts) == 1:
        return parts[0]
    columns = {}
    for name, dtype in parts[0].records.dtypes.items():
        pieces = [part.records[name] for part in parts]
        categorical = isinstance(dtype, pd.CategoricalDtype)
        columns[name] = union_categoricals(pieces) if categorical else np.concatenate(pieces)
    sums = (sum(getattr(part, name) for part in parts) for name in ("nobody", "near_ties", "documents"))
    return Collected(pd.DataFrame(columns), *sums)


def collect_parts(
    model: Encoder | Classifier,
    documents: Iterable[Document],
    vocabulary: Vocabulary,
    batch_size: int = 64,
    device: str = "cpu",
    what: str = "",
    max_tokens: int | None = None,
    total: int | None = None,
    first: int = 0,
) -> Iterator[Collected]:
    """`collect` for documents that need not fit in memory: a part for each `PART_TOKENS` tokens or so, in their order.

    Memory grows with the longest document, not with their number. `total` tokens are what the progress is told of; `first`
    is the number of the first document in the records. A part is yielded when its last document has been read.
    """
    encoder, classifier = (model.encoder, model) if isinstance(model, Classifier) else (model, None)
    if not (hasattr(encoder, "words") and hasattr(encoder, "units")):
        raise TxrayError(
            f"a module {type(encoder).__name__} without `words` and `units` cannot be read: give it both, the numbers of its"
            " words and of its neurons"
        )
    if encoder.words != len(vocabulary):
        raise TxrayError(
            f"the encoder knows {encoder.words} words, the vocabulary has {len(vocabulary)}: they belong to different runs"
        )
    unfinished: deque[_Part] = deque()

    def texts() -> Iterator[tuple[int, np.ndarray]]:
        document, token = first, 0
        for held in _grouped(documents):
            ids = [vocabulary.encode(d.tokens) for d in held]
            part = _Part(_text(held, document), ids, token, classifier, max_tokens)
            unfinished.append(part)
            yield from ((part.starts[i], ids[i]) for i in np.argsort(-part.lengths, kind="stable"))
            document, token = document + len(held), part.stop

    with bar(total or 0, what, "token") as ticker:
        for window in windows(encoder, texts(), batch_size, device):
            found = find_largest(window.activations)
            for part in unfinished:
                part.write(window, *found)
            ticker.update(int(window.size.sum()))
            while unfinished and not unfinished[0].left:
                yield unfinished.popleft().collected(vocabulary)
    for part in unfinished:  # of documents without a token
        yield part.collected(vocabulary)


def from_activations(
    corpus: Corpus, activations: Iterable[np.ndarray | Tensor], seen: Callable[[str], str] = str.lower, layer: int = 0
) -> Collected:
    """A stage's records from activations that the user's own code computed, such as those of a transformer's layer: an array
    (tokens, units) for each document of a tagged corpus in turn.

    `seen` gives the feature that a token is to the encoder: lower-cased here, `vocabulary.seen` where words are unknown. ŷ is
    missing. Raises TxrayError for a document without tags, an array of another shape, values that are not finite, more or
    fewer arrays than documents, or a layer beyond 127.
    """
    if not 0 <= layer <= np.iinfo(np.int8).max:
        raise TxrayError(f"there is no layer {layer}: number the layers of an encoder from 0, up to 127")
    documents, units, arrays = corpus.require_text().documents, None, iter(activations)
    found = []
    for number, document in enumerate(documents):
        _require_tags(document)
        if (array := next(arrays, None)) is None:
            raise TxrayError(f"there are activations for {number} documents, and {corpus.name!r} has {len(corpus)}")
        values = _checked(array, document, units)
        units = values.shape[1]
        found.append(find_largest(values))
    if next(arrays, None) is not None:
        raise TxrayError(f"there are activations for more than the {len(corpus)} documents of {corpus.name!r}")
    activation, neuron, ties = (np.concatenate(parts) for parts in zip(*found, strict=True))
    feature = _categorical([seen(token) for document in documents for token in document.tokens])
    others = {"layer": np.int8(layer), "prediction": np.float32(np.nan)}
    records = _records(_text(documents, 0), activation, neuron, feature=feature, **others)
    return Collected(records, int((records["neuron"] == NOBODY).sum()), int(ties.sum()), len(documents))


def find_largest(activations: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of activations (…, units) the largest, its neuron, the lowest of equal ones, and whether the second largest differs by
    less than `NEAR_TIE`, (…) each. Nothing is written into them: they may be the state that a module goes on from.

    NumPy's argmax on one thread is seven times as fast as torch's on two.
    """
    activations = activations.float()
    if activations.device.type == "cpu":
        neuron = torch.from_numpy(activations.numpy().argmax(axis=-1)).unsqueeze(-1)
    else:
        neuron = activations.argmax(dim=-1, keepdim=True)
    largest = activations.gather(-1, neuron)
    second = activations.scatter(-1, neuron, -math.inf).amax(dim=-1, keepdim=True)
    found = (part.squeeze(-1).cpu().numpy() for part in (largest, neuron, largest - second < NEAR_TIE))
    return tuple(found)


@dataclass(frozen=True)
class Window:
    """The next tokens of the text in each slot.

    place        where the first of them stands: the place of the text's first token, and how many have been read, (rows,)
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

    The encoder is left as it was found, and TF32 off. Raises TxrayError where it gives something else than `Encoder`.
    """
    waiting = ((place, ids) for place, ids in texts if len(ids))
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
            yield Window(np.array([place for place, _ in here]) + offset, size, activations)


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


class _Part:
    """Some documents in a row, and what has been read of them so far.

    A long document keeps its part waiting while others pass, so that of the documents only what records need is held.
    """

    def __init__(
        self,
        text: dict[str, Any],
        ids: Sequence[np.ndarray],
        start: int,
        classifier: Classifier | None,
        max_tokens: int | None,
    ) -> None:
        self.text, self.ids, self.start, self.classifier = text, ids, start, classifier
        self.lengths = np.array([len(i) for i in ids])
        self.left, self.near_ties = int(self.lengths.sum()), 0
        self.stop, self.starts = start + self.left, start + np.cumsum(self.lengths) - self.lengths
        self.neuron, self.activation = np.empty(self.left, np.int32), np.empty(self.left, np.float32)
        read = np.minimum(self.lengths, max_tokens or max(self.left, 1))
        self.ends = np.where(read > 0, self.starts + read - 1, -1)
        self.last = torch.zeros(len(ids), classifier.encoder.units) if classifier else None

    def write(self, window: Window, largest: np.ndarray, neuron: np.ndarray, ties: np.ndarray) -> None:
        """Write the maxima of a window, (rows, WINDOW) each, and keep the states that ŷ is made from, of these documents."""
        place, there = window.places()
        mine = there & (place >= self.start) & (place < self.stop)
        at = place[mine] - self.start
        self.neuron[at], self.activation[at] = neuron[mine], largest[mine]
        self.near_ties += int(ties[mine].sum())
        self.left -= len(at)
        if self.last is not None:
            _, ended, read = np.intersect1d(place[mine], self.ends, return_indices=True)
            row, step = (index[ended] for index in np.nonzero(mine))
            self.last[read] = window.activations[row, step].cpu()

    def collected(self, vocabulary: Vocabulary) -> Collected:
        """Its records, once nothing is left to read."""
        if not np.isfinite(self.activation).all():
            raise TxrayError(
                "the encoder's activations are not numbers: its training diverged. Train it with a lower rate."
            )
        predictions = np.full(len(self.ids), np.nan, np.float32)
        if self.classifier is not None:
            output = self.classifier.output
            logits = self.last @ output.weight.detach().cpu().T + output.bias.detach().cpu()
            predictions = torch.sigmoid(logits.squeeze(1)).numpy().astype(np.float32)
        seen, codes = np.unique(np.concatenate(self.ids), return_inverse=True)
        words = pd.Index([vocabulary.words[i] for i in seen], dtype=object)
        records = _records(
            self.text,
            self.activation,
            self.neuron,
            feature=pd.Categorical.from_codes(codes, categories=words),
            layer=np.int8(0),
            prediction=np.repeat(predictions, self.lengths),
        )
        return Collected(records, int((records["neuron"] == NOBODY).sum()), self.near_ties, len(self.ids))


def _grouped(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in a row, of `PART_TOKENS` tokens or a few more together."""
    held, tokens = list[Document](), 0
    for document in documents:
        _require_tags(document)
        held.append(document)
        tokens += len(document)
        if tokens >= PART_TOKENS:
            yield held
            held, tokens = [], 0
    if held:
        yield held


def _require_tags(document: Document) -> None:
    if document.tags is None or len(document.tags) != len(document):
        raise TxrayError(f"the document {document.name!r} has not one tag a token: tag the corpus first (`tag_corpus`)")


def _checked(array: np.ndarray | Tensor, document: Document, units: int | None) -> Tensor:
    """Activations that somebody computed, as float32 on the CPU."""
    wanted = f"numbers of the shape ({len(document)}, {units or 'units, 2 or more'}) are wanted, a row for each token"
    try:
        numbers = array.detach().float().cpu() if isinstance(array, Tensor) else np.array(array, np.float32)
    except (TypeError, ValueError):
        raise TxrayError(f"the activations of {document.name!r} are a {type(array).__name__}; {wanted}") from None
    values = torch.as_tensor(numbers)
    if values.ndim != 2 or len(values) != len(document) or values.shape[1] != (units or max(values.shape[1], 2)):
        raise TxrayError(f"the activations of {document.name!r} have the shape {tuple(values.shape)}; {wanted}")
    if not torch.isfinite(values).all():
        raise TxrayError(f"the activations of {document.name!r} are not all finite numbers")
    return values


def _text(documents: Sequence[Document], first: int) -> dict[str, Any]:
    """The columns of records that the text alone gives; the documents are numbered from `first`."""
    lengths = [len(document) for document in documents]
    labels = np.array([-1 if document.label is None else document.label for document in documents], dtype=np.int8)
    return {
        "document": np.repeat(np.arange(first, first + len(documents), dtype=np.int32), lengths),
        "block": _categorical([document.block for document in documents]).repeat(lengths),
        "tag": _categorical([tag for document in documents for tag in document.tags or ()]),
        "y": np.repeat(labels, lengths),
    }


def _records(text: dict[str, Any], activation: np.ndarray, neuron: np.ndarray, **columns: Any) -> pd.DataFrame:
    somebodys = np.where(activation > 0, neuron, NOBODY).astype(np.int32)
    return pd.DataFrame({**text, "activation": activation, "neuron": somebodys, **columns})[_COLUMNS]


def _categorical(values: Sequence[str]) -> pd.Categorical:
    """Categories in alphabetical order; numbering by a dictionary is several times as fast as by sorting objects."""
    number = {value: i for i, value in enumerate(sorted(set(values)))}
    codes = np.fromiter(map(number.__getitem__, values), np.int32, len(values))
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(number), dtype=object))
