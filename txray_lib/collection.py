"""A stage's records (§2.1, step 1): for each token the neuron it excites most, and how much. May touch: corpora, training.

The hidden state starts from zero at every document and runs through it. Documents of similar length are read side by
side in windows, so memory does not grow with the corpus; which documents share a batch changes no record (law 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from txray_lib.corpora import Corpus, Vocabulary
from txray_lib.errors import TxrayError
from txray_lib.preferences import NOBODY, aggregate
from txray_lib.progress import bar
from txray_lib.training.encoder import Classifier, Encoder
from txray_lib.training.texts import batches_by_length, padded

NEAR_TIE = 1e-6
_WINDOW = 128


@dataclass(frozen=True)
class Collected:
    """records: a row a token, in the corpus's order (columns in `preferences`); nobody: tokens whose maximum is not
    positive; near_ties: tokens whose two largest activations differ by less than 1e-6."""

    records: pd.DataFrame
    nobody: int
    near_ties: int

    @property
    def preferences(self) -> pd.DataFrame:
        """The records summed (§2.1, step 2)."""
        return aggregate(self.records)


@torch.no_grad()
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

    ŷ is that of the document's first `max_tokens` tokens, as the classifier read it in fine-tuning; records go on to the
    end. Raises TxrayError for an empty corpus, documents without tags, a vocabulary that is not the encoder's, or
    activations that are not numbers. Leaves the model in evaluation mode and TF32 off.
    """
    reads_classes = isinstance(model, Classifier)
    encoder = model.encoder if reads_classes else model
    _check(encoder, corpus, vocabulary)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model.eval().to(device)
    ids = [vocabulary.encode(d.tokens) for d in corpus]
    ends = np.cumsum([len(i) for i in ids])
    starts = ends - [len(i) for i in ids]
    neuron, activation = np.empty(ends[-1], np.int32), np.empty(ends[-1], np.float32)
    read = np.minimum(ends - starts, max_tokens or ends[-1])
    last, near_ties = torch.zeros(len(ids), encoder.units), 0
    with bar(len(neuron), what, "token") as ticker:
        for batch in batches_by_length(ends - starts, batch_size):
            texts, lengths = padded([ids[i] for i in batch])
            for rows, offset, activations in _windows(encoder, texts, lengths, device):
                strongest, index = activations.max(dim=-1)
                ties = (activations > (strongest - NEAR_TIE).unsqueeze(-1)).sum(dim=-1) > 1
                strongest, index, ties = strongest.cpu().numpy(), index.cpu().numpy(), ties.cpu().numpy()
                for row in range(rows):
                    document, size = batch[row], min(int(lengths[row]) - offset, activations.shape[1])
                    here = slice(starts[document] + offset, starts[document] + offset + size)
                    neuron[here], activation[here] = index[row, :size], strongest[row, :size]
                    near_ties += int(ties[row, :size].sum())
                    if reads_classes and offset < read[document] <= offset + size:
                        last[document] = activations[row, read[document] - offset - 1].cpu()
                    ticker.update(size)
    if not np.isfinite(activation).all():
        raise TxrayError(
            "the encoder's activations are not numbers: its training diverged. Train it with a lower rate."
        )
    neuron[activation <= 0] = NOBODY
    predictions = torch.sigmoid(model.cpu().logits(last)).numpy() if reads_classes else None
    records = _records(corpus, vocabulary, ids, neuron, activation, predictions)
    return Collected(records, int((neuron == NOBODY).sum()), near_ties)


def halves(records: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Records in two halves of the text: every second block, in the order in which blocks first appear.

    The same weights read both, so the distance between them shows what another text alone does to a preference.
    """
    _, first = np.unique(records["block"].cat.codes.to_numpy(), return_index=True)
    order = records["block"].cat.codes.to_numpy()[np.sort(first)]
    in_second = records["block"].cat.codes.isin(order[1::2])
    return records[~in_second], records[in_second]


def _windows(encoder: Encoder, texts: Tensor, lengths: Tensor, device: str):
    """Yield (rows, offset, activations (rows, time, units)): the texts, longest first, whose end is not reached yet."""
    state = None
    for offset in range(0, texts.shape[1], _WINDOW):
        rows = int((lengths > offset).sum())
        if not rows:
            return
        if state is not None:
            state = (state[0][:, :rows].contiguous(), state[1][:, :rows].contiguous())
        activations, state = encoder(texts[:rows, offset : offset + _WINDOW].to(device), state)
        yield rows, offset, activations


def _records(
    corpus: Corpus,
    vocabulary: Vocabulary,
    ids: list[np.ndarray],
    neuron: np.ndarray,
    activation: np.ndarray,
    predictions: np.ndarray | None,
) -> pd.DataFrame:
    lengths = [len(i) for i in ids]
    labels = [-1 if d.label is None else d.label for d in corpus]
    seen, feature = np.unique(np.concatenate(ids), return_inverse=True)
    words = pd.Index([vocabulary.word(int(i)) for i in seen], dtype=object)
    nan = np.full(len(corpus), np.nan, np.float32)
    return pd.DataFrame(
        {
            "document": np.repeat(np.arange(len(corpus), dtype=np.int32), lengths),
            "block": pd.Categorical(np.repeat(np.array([d.block for d in corpus], dtype=object), lengths)),
            "layer": np.int8(0),
            "feature": pd.Categorical.from_codes(feature, categories=words),
            "tag": pd.Categorical(np.array([t for d in corpus for t in d.tags], dtype=object)),
            "neuron": neuron,
            "activation": activation,
            "prediction": np.repeat(nan if predictions is None else predictions.astype(np.float32), lengths),
            "y": np.repeat(np.array(labels, dtype=np.int8), lengths),
        }
    )


def _check(encoder: Encoder, corpus: Corpus, vocabulary: Vocabulary) -> None:
    corpus.require_text()
    if encoder.words != len(vocabulary):
        raise TxrayError(
            f"the encoder knows {encoder.words} words, the vocabulary has {len(vocabulary)}: they belong to different runs"
        )
    untagged = next((d.name for d in corpus if d.tags is None or len(d.tags) != len(d.tokens)), None)
    if untagged is not None:
        raise TxrayError(
            f"the document {untagged!r} of {corpus.name!r} has not one tag a token: tag the corpus first (`tag_corpus`)"
        )
