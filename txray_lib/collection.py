"""A stage's records (§2.1, step 1): for each token the neuron it excites most, and how much. May touch: corpora, slots.

The hidden state starts from zero at every document and runs through it. Documents are read side by side, some thousand
tokens of records at a time, so memory does not grow with the corpus; which documents are read together changes no record
(law 1).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from pandas.api.types import union_categoricals
from torch import Tensor

from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY, aggregate
from txray_lib.progress import bar
from txray_lib.slots import Window, windows

NEAR_TIE = 1e-6
PART_TOKENS = 2**16
"""Of the documents whose records are held at once; two or three such parts are on their way at a time."""


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
    read it in fine-tuning; records go on to the end. Raises TxrayError for an empty corpus, documents without tags, a
    vocabulary that is not the encoder's, or activations that are not numbers. Leaves the model in evaluation mode and TF32
    off.
    """
    total = corpus.require_text().token_count
    return _joined([*collect_parts(model, corpus, vocabulary, batch_size, device, what, max_tokens, total)])


@torch.no_grad()
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
    encoder = model.encoder if isinstance(model, Classifier) else model
    if encoder.words != len(vocabulary):
        raise TxrayError(
            f"the encoder knows {encoder.words} words, the vocabulary has {len(vocabulary)}: they belong to different runs"
        )
    states = encoder.units if isinstance(model, Classifier) else None
    model.eval().to(device)
    unfinished: deque[_Part] = deque()
    place: dict[int, tuple[_Part, int]] = {}

    def texts() -> Iterator[np.ndarray]:
        number = 0
        for part in _parts(documents, vocabulary, states, max_tokens, first):
            unfinished.append(part)
            for document in part.longest_first:
                if not len(part.ids[document]):
                    break
                place[number] = part, document
                number += 1
                yield part.ids[document]

    with bar(total or 0, what, "token") as ticker:
        for window in windows(encoder, texts(), batch_size, device):
            ticker.update(_write(window, place))
            while unfinished and not unfinished[0].left:
                yield unfinished.popleft().collected(model, vocabulary)
    for part in unfinished:  # of documents without a token
        yield part.collected(model, vocabulary)


def halves(records: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Records in two halves of the text: every second block, in the order in which blocks first appear.

    The same weights read both, so the distance between them shows what another text alone does to a preference.
    """
    second = records["block"].isin(in_second_half([records["block"]]))
    return records[~second], records[second]


def in_second_half(blocks: Iterable[pd.Series]) -> list[str]:
    """Every second block, in the order in which they first appear; `blocks` are those of records, part by part."""
    return list(dict.fromkeys(block for part in blocks for block in part.unique()))[1::2]


class _Part:
    """Some documents in a row, and what has been read of them so far."""

    def __init__(
        self,
        documents: Sequence[Document],
        ids: Sequence[np.ndarray],
        first: int,
        units: int | None,
        max_tokens: int | None,
    ) -> None:
        lengths = np.array([len(i) for i in ids])
        self.documents, self.ids, self.first = documents, ids, first
        self.left = int(lengths.sum())
        self.starts = np.cumsum(lengths) - lengths
        self.neuron, self.activation = np.empty(self.left, np.int32), np.empty(self.left, np.float32)
        self.longest_first = np.argsort(-lengths, kind="stable")
        self.read = np.minimum(lengths, max_tokens or max(self.left, 1))
        self.last = None if units is None else torch.zeros(len(ids), units)
        self.near_ties = 0

    def keep_last(self, window: Window, pairs: list[tuple[int, int]]) -> None:
        """Keep the states that ŷ is made from, of the (row, document) that reach them in this window."""
        if self.last is not None:
            for row, document in pairs:
                at = self.read[document] - window.offset[row] - 1
                if 0 <= at < window.size[row]:
                    self.last[document] = window.activations[row, at].cpu()

    def write(
        self,
        window: Window,
        pairs: list[tuple[int, int]],
        strongest: np.ndarray,
        neuron: np.ndarray,
        ties: np.ndarray,
    ) -> None:
        """Write the maxima, (rows, WINDOW) each, of the (row, document) that are this part's."""
        row, document = np.array(pairs).T
        step = np.arange(strongest.shape[1])
        there = step < window.size[row, None]
        place = ((self.starts[document] + window.offset[row])[:, None] + step)[there]
        self.neuron[place], self.activation[place] = neuron[row][there], strongest[row][there]
        self.near_ties += int(ties[row][there].sum())
        self.left -= len(place)

    def collected(self, model: Encoder | Classifier, vocabulary: Vocabulary) -> Collected:
        """Its records, once nothing is left to read."""
        if not np.isfinite(self.activation).all():
            raise TxrayError(
                "the encoder's activations are not numbers: its training diverged. Train it with a lower rate."
            )
        self.neuron[self.activation <= 0] = NOBODY
        nobody = int((self.neuron == NOBODY).sum())
        return Collected(_records(self, model, vocabulary), nobody, self.near_ties, len(self.documents))


def _parts(
    documents: Iterable[Document],
    vocabulary: Vocabulary,
    units: int | None,
    max_tokens: int | None,
    first: int,
) -> Iterator[_Part]:
    """Documents in parts. units: how many a state has that is kept for ŷ; None where there is no ŷ."""
    held: list[Document] = []
    ids: list[np.ndarray] = []
    tokens = 0
    for document in documents:
        if document.tags is None or len(document.tags) != len(document.tokens):
            raise TxrayError(
                f"the document {document.name!r} has not one tag a token: tag the corpus first (`tag_corpus`)"
            )
        held.append(document)
        ids.append(vocabulary.encode(document.tokens))
        tokens += len(document)
        if tokens >= PART_TOKENS:
            yield _Part(held, ids, first, units, max_tokens)
            held, ids, tokens, first = [], [], 0, first + len(held)
    if held:
        yield _Part(held, ids, first, units, max_tokens)


def _strongest(activations: Tensor) -> tuple[Tensor, Tensor]:
    """The largest activation and its neuron, the lowest of equal ones, (rows, WINDOW, 1) each.

    NumPy's argmax on one thread is seven times as fast as torch's on two.
    """
    if activations.device.type != "cpu":
        return activations.max(dim=-1, keepdim=True)
    neuron = torch.from_numpy(activations.numpy().argmax(axis=-1)).unsqueeze(-1)
    return activations.gather(-1, neuron), neuron


def _write(window: Window, place: dict[int, tuple[_Part, int]]) -> int:
    """Put a window's maxima in their parts; gives the number of its tokens. Its activations are lost."""
    rows: dict[_Part, list[tuple[int, int]]] = {}
    for row, (text, ended) in enumerate(zip(window.text.tolist(), window.ended.tolist(), strict=True)):
        part, document = place.pop(text) if ended else place[text]
        rows.setdefault(part, []).append((row, document))
    for part, pairs in rows.items():
        part.keep_last(window, pairs)
    strongest, neuron = _strongest(window.activations)
    second = window.activations.scatter_(-1, neuron, -math.inf).amax(dim=-1)
    values, neurons = strongest.squeeze(-1), neuron.squeeze(-1)
    ties = values - second < NEAR_TIE
    found = values.cpu().numpy(), neurons.cpu().numpy(), ties.cpu().numpy()
    for part, pairs in rows.items():
        part.write(window, pairs, *found)
    return int(window.size.sum())


def _records(part: _Part, model: Encoder | Classifier, vocabulary: Vocabulary) -> pd.DataFrame:
    lengths = [len(i) for i in part.ids]
    predictions = np.full(len(lengths), np.nan, np.float32)
    if isinstance(model, Classifier):
        assert part.last is not None
        output = model.output
        logits = part.last @ output.weight.detach().cpu().T + output.bias.detach().cpu()
        predictions = torch.sigmoid(logits.squeeze(1)).numpy().astype(np.float32)
    labels = [-1 if d.label is None else d.label for d in part.documents]
    seen, feature = np.unique(np.concatenate(part.ids), return_inverse=True)
    words = pd.Index([vocabulary.word(int(i)) for i in seen], dtype=object)
    number = np.arange(part.first, part.first + len(lengths), dtype=np.int32)
    return pd.DataFrame(
        {
            "document": np.repeat(number, lengths),
            "block": _categorical([d.block for d in part.documents]).repeat(lengths),
            "layer": np.int8(0),
            "feature": pd.Categorical.from_codes(feature, categories=words),
            "tag": _categorical([t for d in part.documents for t in d.tags or ()]),
            "neuron": part.neuron,
            "activation": part.activation,
            "prediction": np.repeat(predictions, lengths),
            "y": np.repeat(np.array(labels, dtype=np.int8), lengths),
        }
    )


def _categorical(values: Sequence[str]) -> pd.Categorical:
    """Categories in alphabetical order; numbering by a dictionary is several times as fast as by sorting objects."""
    number = {value: i for i, value in enumerate(sorted(set(values)))}
    codes = np.fromiter(map(number.__getitem__, values), np.int32, len(values))
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(number), dtype=object))


def _joined(parts: Sequence[Collected]) -> Collected:
    if len(parts) == 1:
        return parts[0]
    columns = {}
    for name, dtype in parts[0].records.dtypes.items():
        pieces = [part.records[name] for part in parts]
        categorical = isinstance(dtype, pd.CategoricalDtype)
        columns[name] = union_categoricals(pieces) if categorical else np.concatenate(pieces)
    sums = (sum(getattr(part, name) for part in parts) for name in ("nobody", "near_ties", "documents"))
    return Collected(pd.DataFrame(columns), *sums)
