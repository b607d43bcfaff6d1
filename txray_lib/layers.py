"""Records of the layers of a Transformer (§2.1, step 1): for each word and layer the neuron it excites most. May touch: collection.

One pass serves all layers; each layer's maxima are taken while it computes, so that no activations are kept.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from torch import Tensor

from txray_lib.collection import Collected, Part, categorical, find_largest, grouped
from txray_lib.corpora import Document
from txray_lib.encoders.layered import LayeredEncoder, read_windows
from txray_lib.encoders.lstm import Classifier, evaluating
from txray_lib.encoders.pieces import Pieces, PieceWindow, check_pieces, encode_pieces
from txray_lib.encoders.training import last_hidden_states, predict
from txray_lib.errors import TxrayError, require, require_number
from txray_lib.progress import bar


def collect_layers(
    model: LayeredEncoder | Classifier,
    pieces: Pieces,
    documents: Iterable[Document],
    batch_size: int = 64,
    device: str = "cpu",
    what: str = "",
    max_tokens: int | None = None,
    total: int | None = None,
    first: int = 0,
) -> Iterator[Collected]:
    """Read tagged documents with a Transformer, or with a classifier whose ŷ is then recorded: a part for some thousand words.

    A part's records stand layer after layer, those of a layer in the documents' order. A feature is the word, lower-cased where
    the tokenizer makes no difference; one of which the tokenizer leaves nothing is nobody's. ŷ is that of a document's first
    `max_tokens` words, as in fine-tuning. `batch_size` windows at most are read side by side; `total` words are what the
    progress is told of; `first` is the number of the first document. The model is left as it was found, and TF32 off.

    Raises TxrayError for documents without tags, a word longer than the model reads at once, a tokenizer of another model,
    activations that are not numbers, and where no neuron of a layer is ever above zero.
    """
    encoder = model.encoder if isinstance(model, Classifier) else model
    require(encoder, LayeredEncoder, "the encoder", "that of `tx.load_transformer(folder)`")
    require(pieces, Pieces, "what cuts words in pieces", "that of `tx.load_transformer(folder)`")
    require(documents, Iterable, "the text", "a corpus, or a list of documents")
    require_number(batch_size, "batch_size")
    if max_tokens is not None:
        require_number(max_tokens, "max_tokens")
    check_pieces(pieces, encoder.embedding.num_embeddings, "the encoder")
    positive, read = np.zeros(len(encoder.layers), np.int64), 0
    with bar(total or 0, what, "word") as ticker, evaluating(model, device):
        for held in grouped(documents):
            part = _LayeredPart(encoder, held, pieces, first)
            for words in read_windows(encoder, part.windows, part.hear, batch_size, device):
                ticker.update(words)
            predictions = None
            if isinstance(model, Classifier):
                texts = encode_pieces(held, pieces, encoder.room, max_tokens)
                predictions = predict(model, last_hidden_states(model, texts, device))
            feature = categorical([pieces.seen(token) for document in held for token in document.tokens])
            yield part.collected(feature, predictions)
            positive += (part.activation > 0).sum(axis=1)
            read += part.activation.shape[1]
            first += len(held)
    if read and not positive.all():
        raise TxrayError(
            f"no neuron of layer {encoder.layers[int(positive.argmin())]} is ever above zero in this text: choose another site,"
            " or other layers"
        )


class _LayeredPart(Part):
    """One whose words go through a model in windows."""

    def __init__(self, encoder: LayeredEncoder, documents: Sequence[Document], pieces: Pieces, first: int) -> None:
        super().__init__(documents, first, encoder.layers)
        self.windows = [
            window
            for i, cut in enumerate(pieces.cut([document.tokens for document in documents]))
            for window in pieces.windows(i, cut, encoder.room, encoder.context, documents[i].name)
        ]

    def hear(self, layer: int, batch: Sequence[PieceWindow], values: Tensor) -> None:
        """Take the largest of each word's activations, (words, units)."""
        at = np.concatenate([np.flatnonzero(w.sizes) + w.first + self.starts[w.text] for w in batch])
        self.take(self.layers.index(layer), at, *find_largest(values, overwrite=True))
