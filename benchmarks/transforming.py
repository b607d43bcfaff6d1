"""Records of all layers of a Transformer beside the bare pass of the same batches."""

from __future__ import annotations

import torch

from benchmarks.measuring import Measured, Row, Sizes, corpus, draw_lengths, raced
from txray_lib.corpora import Document
from txray_lib.encoders.encoded import padded
from txray_lib.encoders.layered import PIECES_AT_ONCE
from txray_lib.encoders.pieces import Pieces
from txray_lib.encoders.transformers import Transformer, untrained_transformer
from txray_lib.layers import collect_layers
from txray_lib.settings import Reading

MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
_START = 16
"""Documents of a short call that finds the number of threads."""


def all_layers(sizes: Sizes) -> Measured | None:
    """Untrained weights of MiniLM's shape, words of one piece each."""
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers
    except ImportError:
        return None
    words = {"[UNK]": 0, "[CLS]": 1, **{f"w{i}": i + 2 for i in range(sizes.words - 2)}}
    tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    pieces = Pieces(tokenizer)
    transformer = untrained_transformer({"model_type": "bert", **MINILM, "vocab_size": sizes.words}, Reading(), 1)
    text = corpus(draw_lengths("reviews", sizes.tokens // 10), sizes.words).documents
    best, threads = raced(
        {
            "bare": (lambda: _pass(transformer, pieces, text[:_START]), lambda: _pass(transformer, pieces, text)),
            "layers": (
                lambda: list(collect_layers(transformer, pieces, text[:_START])),
                lambda: list(collect_layers(transformer, pieces, text)),
            ),
        },
        sizes.rounds,
    )
    read = sum(map(len, text))
    beside = {"bare words a second": read / best["bare"], "words a second, all layers": read / best["layers"]}
    return Measured(best["layers"] / best["bare"], beside | threads)


@torch.no_grad()
def _pass(transformer: Transformer, pieces: Pieces, documents: tuple[Document, ...]) -> None:
    """The bare forward pass of the batches that collection reads."""
    cuts = enumerate(pieces.cut([document.tokens for document in documents]))
    windows = [w for i, cut in cuts for w in pieces.windows(i, cut, transformer.room, transformer.context)]
    windows.sort(key=lambda window: -len(window.ids))
    while windows:
        rows = max(1, min(64, PIECES_AT_ONCE // len(windows[0].ids)))
        transformer(*padded([window.ids for window in windows[:rows]]))
        windows = windows[rows:]


ROWS = (
    Row(
        "layers",
        "records of all six layers of a Transformer of MiniLM's shape over the bare forward pass of the same batches",
        "times",
        "at most",
        1.1,
        all_layers,
        "The largest of 1,536 neurons and the second largest are found in each layer, which reads its activations twice more.",
    ),
)
