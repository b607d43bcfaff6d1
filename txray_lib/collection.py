"""A stage's records (§2.1, step 1): for each token the neuron it excites most, and how much. May touch: encoders, preferences.

The hidden state starts from zero at every document and runs through it. Documents are read side by side, each in a slot: one
whose document has ended takes the next. Slots are read in windows of a few tokens and a document begins with a window, so that
it wastes half a window on average, however unequal the lengths. Records are made for some thousand tokens at a time, so memory
does not grow with the corpus; which documents are read together changes no record (law 1).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from txray_lib.corpora import Corpus, Document, Vocabulary
from txray_lib.corpora.tokenise import compose
from txray_lib.encoders.lstm import Classifier, Encoder, Window, windows
from txray_lib.errors import TxrayError, require, require_number
from txray_lib.preferences import NOBODY, aggregate, require_layers
from txray_lib.progress import bar

NEAR_TIE = 1e-6
PART_TOKENS = 2**16
"""Of the documents whose records are held at once; several such parts are on their way at a time."""
_LOADED = "`tx.load_text` or `tx.load_labelled`"
_END = object()
_COLUMNS = ["document", "block", "layer", "feature", "tag", "neuron", "activation", "prediction", "y"]


@dataclass(frozen=True)
class Collected:
    """records: a row a token, in the corpus's order (columns in `preferences`); near_ties: tokens whose two largest activations
    differ by less than 1e-6; documents: how many were read."""

    records: pd.DataFrame
    near_ties: int
    documents: int

    @property
    def nobody(self) -> int:
        """Tokens whose maximum is not positive."""
        return int((self.records["neuron"] == NOBODY).sum())

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
    `Encoder`, of any floating-point type; it is tried on two texts of three tokens, left as it was found, and TF32 off.
    Raises TxrayError for an empty corpus, documents without tags, a vocabulary that is not the encoder's, a module that gives
    something else, or something else for a text than for its tokens one by one, or activations that are not numbers.
    """
    require(corpus, Corpus, "the corpus", _LOADED)
    total = corpus.require_text().token_count
    (whole,) = collect_parts(
        model, corpus, vocabulary, batch_size, device, what, max_tokens, total, part_tokens=total + 1
    )
    return whole


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
    part_tokens: int | None = None,
) -> Iterator[Collected]:
    """`collect` for documents that need not fit in memory: a part for each `PART_TOKENS` tokens or so, in their order.

    Memory grows with the longest document, not with their number. `total` tokens are what the progress is told of; `first`
    is the number of the first document in the records. A part is yielded when its last document has been read.
    """
    encoder, classifier = (model.encoder, model) if isinstance(model, Classifier) else (model, None)
    require(vocabulary, Vocabulary, "the vocabulary", "the encoder's own")
    _require_encoder(encoder, vocabulary)
    if classifier:
        shapes = [getattr(getattr(classifier.output, of, None), "shape", None) for of in ("weight", "bias")]
        if shapes != [(1, encoder.units), (1,)]:
            wrong = (
                f"the classifier's output is a {type(classifier.output).__name__} whose weight and bias have the shapes"
            )
            raise TxrayError(f"{wrong} {shapes}, and nn.Linear({encoder.units}, 1) is wanted")
    require_number(batch_size, "batch_size")
    if max_tokens is not None:
        require_number(max_tokens, "max_tokens")
    unfinished: deque[_Part] = deque()

    def texts() -> Iterator[tuple[int, np.ndarray]]:
        document, token = first, 0
        for held in grouped(documents, part_tokens):
            ids = [vocabulary.encode(d.tokens) for d in held]
            part = _Part(text_columns(held, document), ids, token, classifier, max_tokens)
            unfinished.append(part)
            yield from ((part.starts[i], ids[i]) for i in np.argsort(-part.lengths, kind="stable"))
            document, token = document + len(held), part.stop

    with (
        bar(total or 0, what, "token") as ticker,
        closing(windows(encoder, texts(), batch_size, device)) as reading,
    ):
        for window in reading:
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
    missing. Raises TxrayError for a document without tags, an array of another shape or kind, values that are not finite,
    more or fewer arrays than documents, or a layer beyond 127.
    """
    require_layers([layer])
    require(corpus, Corpus, "the corpus", _LOADED)
    require(seen, Callable, "`seen`", "`str.lower`, or `vocabulary.seen`")
    if isinstance(activations, Mapping) or not isinstance(activations, Iterable):
        raise TxrayError(
            f"the activations are a {type(activations).__name__}; a list is wanted, or anything that gives an array for each"
            f" document of {corpus.name!r} in turn, such as [arrays[d.name] for d in corpus]"
        )
    documents, units, found, given = corpus.require_text().documents, None, [], iter(activations)
    for number, document in enumerate(documents):
        _require_tags(document)
        array = next(given, _END)
        if array is _END:
            raise TxrayError(f"there are activations for {number} documents, and {corpus.name!r} has {len(corpus)}")
        values = _check_activations(array, document, units)
        units = values.shape[1]
        found.append(find_largest(values))
    if next(given, _END) is not _END:
        raise TxrayError(f"there are activations for more than the {len(corpus)} documents of {corpus.name!r}")
    activation, neuron, ties = (np.concatenate(parts) for parts in zip(*found, strict=True))
    feature = categorical([compose(seen(token)) for document in documents for token in document.tokens])
    others = {"layer": np.int8(layer), "prediction": np.float32(np.nan)}
    records = make_records(text_columns(documents, 0), activation, neuron, feature=feature, **others)
    return Collected(records, int(ties.sum()), len(documents))


def find_largest(activations: Tensor, overwrite: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of activations (…, units) the largest, its neuron, the lowest of equal ones, and whether the second largest differs by
    less than `NEAR_TIE`, (…) each. Nothing is written into them, which may be the state that a module goes on from,
    but with `overwrite`: then they are a copy of the caller's, and of no use afterwards.

    NumPy's argmax on one thread is seven times as fast as torch's on two.
    """
    activations = activations.float()
    if activations.device.type == "cpu":
        neuron = torch.from_numpy(activations.numpy().argmax(axis=-1)).unsqueeze(-1)
    else:
        neuron = activations.argmax(dim=-1, keepdim=True)
    largest = activations.gather(-1, neuron)
    scatter = activations.scatter_ if overwrite else activations.scatter
    second = scatter(-1, neuron, -math.inf).amax(dim=-1, keepdim=True)
    found = (part.squeeze(-1).cpu().numpy() for part in (largest, neuron, largest - second < NEAR_TIE))
    return tuple(found)


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
            self.last[read] = window.activations[row, step].float().cpu()

    def collected(self, vocabulary: Vocabulary) -> Collected:
        """Its records, once nothing is left to read."""
        if not np.isfinite(self.activation).all():
            raise TxrayError(
                "the encoder's activations are not numbers: its training diverged. Train it with a lower rate."
            )
        predictions = np.full(len(self.ids), np.nan, np.float32)
        if self.classifier is not None:
            output = self.classifier.output
            weight, bias = (parameter.detach().float().cpu() for parameter in (output.weight, output.bias))
            logits = self.last @ weight.T + bias
            predictions = torch.sigmoid(logits.squeeze(1)).numpy()
        seen, codes = np.unique(np.concatenate(self.ids), return_inverse=True)
        words = pd.Index([vocabulary.words[i] for i in seen], dtype=object)
        records = make_records(
            self.text,
            self.activation,
            self.neuron,
            feature=pd.Categorical.from_codes(codes, categories=words),
            layer=np.int8(0),
            prediction=np.repeat(predictions, self.lengths),
        )
        return Collected(records, self.near_ties, len(self.ids))


def grouped(documents: Iterable[Document], part_tokens: int | None = None) -> Iterator[list[Document]]:
    """Documents in a row, of `part_tokens` (`PART_TOKENS`) or a few more together. Raises TxrayError where one has no tags."""
    held, tokens = list[Document](), 0
    for document in documents:
        _require_tags(document)
        held.append(document)
        tokens += len(document)
        if tokens >= (part_tokens or PART_TOKENS):
            yield held
            held, tokens = [], 0
    if held:
        yield held


def _require_tags(document: Document) -> None:
    require(document, Document, "what is read", "the documents of a corpus")
    if document.tags is None or len(document.tags) != len(document):
        raise TxrayError(f"the document {document.name!r} has not one tag a token: tag the corpus first (`tag_corpus`)")


def _require_encoder(encoder: object, vocabulary: Vocabulary) -> None:
    name, numbers = type(encoder).__name__, [getattr(encoder, of, None) for of in ("words", "units")]
    if not isinstance(encoder, nn.Module) or not all(isinstance(number, (int, np.integer)) for number in numbers):
        raise TxrayError(
            f"a {name} is no encoder: a torch module with `words` and `units` is wanted, the numbers of its words and of its"
            " neurons. Of a module inside another, as DataParallel has it, give the inner one (`.module`); a Transformer is read by"
            " `tx.load_transformer` and `tx.collect_layers`."
        )
    if encoder.words != len(vocabulary):
        raise TxrayError(
            f"the encoder knows {encoder.words} words, the vocabulary has {len(vocabulary)}: they belong to different runs"
        )
    if encoder.units < 2:
        raise TxrayError(f"the module {name} has {encoder.units} units: the most excited of 2 or more is recorded")


def _check_activations(array: object, document: Document, units: int | None) -> Tensor:
    """Activations that somebody computed of a document, (tokens, units), as float32 on the CPU.

    Raises TxrayError for anything but finite real numbers, a row for each token.
    """
    name, tokens = repr(document.name), len(document)
    wanted = f"real numbers of the shape ({tokens}, {units or 'units, 2 or more'}) are wanted, a row for each token"
    try:
        given = array.detach().to_dense().cpu() if isinstance(array, Tensor) else np.asarray(array)
        if isinstance(given, np.ndarray) and given.dtype.kind in "biuf" and not np.ma.is_masked(array):
            with np.errstate(over="ignore"):
                given = torch.from_numpy(given.astype(np.float32))
        numbers = not given.is_complex()
    except (AttributeError, TypeError, ValueError, RuntimeError):
        numbers = False
    if not numbers:
        raise TxrayError(f"the activations of {name} are a {type(array).__name__}; {wanted}")
    values = given.float()
    if values.ndim != 2 or len(values) != tokens or values.shape[1] != (units or max(values.shape[1], 2)):
        raise TxrayError(f"the activations of {name} have the shape {tuple(values.shape)}; {wanted}")
    if not torch.isfinite(values).all():
        raise TxrayError(f"the activations of {name} are not all finite numbers")
    return values


def text_columns(documents: Sequence[Document], first: int) -> dict[str, Any]:
    """The columns of records that the text alone gives; the documents are numbered from `first`."""
    lengths = [len(document) for document in documents]
    labels = np.array([-1 if document.label is None else document.label for document in documents], dtype=np.int8)
    return {
        "document": np.repeat(np.arange(first, first + len(documents), dtype=np.int32), lengths),
        "block": categorical([document.block for document in documents]).repeat(lengths),
        "tag": categorical([tag for document in documents for tag in document.tags or ()]),
        "y": np.repeat(labels, lengths),
    }


def make_records(text: dict[str, Any], activation: np.ndarray, neuron: np.ndarray, **columns: Any) -> pd.DataFrame:
    """Records from `text_columns`, of each token the largest activation and its neuron (`find_largest`), and what else there is:
    feature, layer, prediction. Tokens whose maximum is not positive are nobody's."""
    somebodys = np.where(activation > 0, neuron, NOBODY).astype(np.int32)
    return pd.DataFrame({**text, "activation": activation, "neuron": somebodys, **columns})[_COLUMNS]


def categorical(values: Sequence[str]) -> pd.Categorical:
    """Categories in alphabetical order; numbering by a dictionary is several times as fast as by sorting objects."""
    number = {value: i for i, value in enumerate(sorted(set(values)))}
    codes = np.fromiter(map(number.__getitem__, values), np.int32, len(values))
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(number), dtype=object))
