"""A stage's records (§2.1, step 1): for each token the neuron it excites most, and how much. May touch: encoders, preferences.

The hidden state starts from zero at every document and runs through it. Documents are read side by side, each in a slot: one
whose document has ended takes the next. Slots are read in windows of a few tokens and a document begins with a window, so that
it wastes half a window on average, however unequal the lengths. Records are made for some thousand tokens at a time, so memory
does not grow with the corpus; which documents are read together changes no record (law 1).
"""

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
    unfinished: deque[_SlottedPart] = deque()

    def texts() -> Iterator[tuple[int, np.ndarray]]:
        document, token = first, 0
        for held in grouped(documents, part_tokens):
            part = _SlottedPart(held, document, token, vocabulary, classifier, max_tokens)
            unfinished.append(part)
            yield from ((part.places[i], part.ids[i]) for i in np.argsort(-part.lengths, kind="stable"))
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
                yield unfinished.popleft().finished()
    for part in unfinished:  # of documents without a token
        yield part.finished()


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
    documents, units, given = corpus.require_text().documents, None, iter(activations)
    for document in documents:
        _require_tags(document)
    part = Part(documents, 0, [layer])
    for number, (document, start) in enumerate(zip(documents, part.starts, strict=True)):
        array = next(given, _END)
        if array is _END:
            raise TxrayError(f"there are activations for {number} documents, and {corpus.name!r} has {len(corpus)}")
        values = _check_activations(array, document, units)
        units = values.shape[1]
        part.take(0, slice(start, start + len(document)), *find_largest(values))
    if next(given, _END) is not _END:
        raise TxrayError(f"there are activations for more than the {len(corpus)} documents of {corpus.name!r}")
    return part.collected(categorical([compose(seen(token)) for d in documents for token in d.tokens]))


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


class Part:
    """Some documents in a row, and what has been read of their tokens so far, of some layers: of the documents only what records
    need is held."""

    def __init__(self, documents: Sequence[Document], first: int, layers: Sequence[int] = (0,)) -> None:
        self.layers, self.near_ties = layers, 0
        self.lengths = np.array([len(document) for document in documents], dtype=np.int64)
        self.starts = np.cumsum(self.lengths) - self.lengths
        shape = (len(layers), int(self.lengths.sum()))
        self.neuron, self.activation = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        labels = np.array([-1 if document.label is None else document.label for document in documents], dtype=np.int8)
        self._columns = {
            "document": np.repeat(np.arange(first, first + len(documents), dtype=np.int32), self.lengths),
            "block": categorical([document.block for document in documents]).repeat(self.lengths),
            "tag": categorical([tag for document in documents for tag in document.tags or ()]),
            "y": np.repeat(labels, self.lengths),
        }

    def take(self, row: int, at: Any, largest: np.ndarray, neuron: np.ndarray, ties: np.ndarray) -> None:
        """Take what `find_largest` gives of the tokens at some places, (places,) each, of the layer in a row."""
        self.activation[row, at], self.neuron[row, at] = largest, neuron
        self.near_ties += int(ties.sum())

    def collected(self, feature: pd.Categorical, predictions: np.ndarray | None = None) -> Collected:
        """Its records, layer after layer, from the feature of each token and ŷ of each document, where there is one.

        Tokens whose maximum is not positive are nobody's. Raises TxrayError for activations that are not numbers.
        """
        if not np.isfinite(self.activation).all():
            raise TxrayError(
                "the encoder's activations are not numbers: its training diverged, its weights are damaged, or bfloat16 is too"
                " coarse for it. Train it with a lower rate, mend its weights, or read it in float32."
            )
        prediction = np.float32(np.nan) if predictions is None else np.repeat(predictions, self.lengths)
        columns, tables = {**self._columns, "feature": feature, "prediction": prediction}, []
        for layer, activation, neuron in zip(self.layers, self.activation, self.neuron, strict=True):
            somebodys = np.where(activation > 0, neuron, NOBODY).astype(np.int32)
            of_layer = {"layer": np.int8(layer), "activation": activation, "neuron": somebodys}
            tables.append(pd.DataFrame({**columns, **of_layer})[_COLUMNS])
        return Collected(pd.concat(tables, ignore_index=True), self.near_ties, len(self.lengths))


class _SlottedPart(Part):
    """One whose documents are read in slots, as ids; a long one keeps it waiting while others pass. ŷ is made of last states."""

    def __init__(
        self,
        documents: Sequence[Document],
        first: int,
        start: int,
        vocabulary: Vocabulary,
        classifier: Classifier | None,
        max_tokens: int | None,
    ) -> None:
        super().__init__(documents, first)
        self.ids = [vocabulary.encode(document.tokens) for document in documents]
        self.vocabulary, self.classifier, self.left = vocabulary, classifier, int(self.lengths.sum())
        self.start, self.stop, self.places = start, start + self.left, start + self.starts
        read = np.minimum(self.lengths, max_tokens or max(self.left, 1))
        self.ends = np.where(read > 0, self.places + read - 1, -1)
        self.last = torch.zeros(len(documents), classifier.encoder.units) if classifier else None

    def write(self, window: Window, *found: np.ndarray) -> None:
        """Take what `find_largest` gives of a window, (rows, WINDOW) each, and the states that ŷ is made from, of these documents."""
        place, there = window.places()
        mine = there & (place >= self.start) & (place < self.stop)
        self.take(0, place[mine] - self.start, *(part[mine] for part in found))
        self.left -= int(mine.sum())
        if self.last is not None:
            _, ended, read = np.intersect1d(place[mine], self.ends, return_indices=True)
            row, step = (index[ended] for index in np.nonzero(mine))
            self.last[read] = window.activations[row, step].float().cpu()

    def finished(self) -> Collected:
        """Its records, once nothing is left to read."""
        predictions = None
        if self.classifier is not None:
            output = self.classifier.output
            weight, bias = (parameter.detach().float().cpu() for parameter in (output.weight, output.bias))
            predictions = torch.sigmoid((self.last @ weight.T + bias).squeeze(1)).numpy()
        seen, codes = np.unique(np.concatenate(self.ids), return_inverse=True)
        words = pd.Index([self.vocabulary.words[i] for i in seen], dtype=object)
        return self.collected(pd.Categorical.from_codes(codes, categories=words), predictions)


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


def categorical(values: Sequence[str]) -> pd.Categorical:
    """Categories in alphabetical order; numbering by a dictionary is several times as fast as by sorting objects."""
    number = {value: i for i, value in enumerate(sorted(set(values)))}
    codes = np.fromiter(map(number.__getitem__, values), np.int32, len(values))
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(number), dtype=object))
