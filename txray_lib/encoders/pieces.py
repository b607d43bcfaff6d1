"""Words cut in the pieces that a Transformer reads, and long texts in windows of them. May touch: errors, corpora.

Documents come in our words; a tokenizer cuts each word by itself, so that every piece has its word. A text longer than a model
reads at once goes through it in windows that overlap: each word is recorded in one of them, where it has a context of pieces on
both sides.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from txray_lib.corpora import UNKNOWN, Document, Vocabulary
from txray_lib.corpora.tokenise import compose
from txray_lib.encoders.encoded import Texts
from txray_lib.errors import TxrayError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_UNKNOWN_PIECES = (UNKNOWN, "[UNK]")
_SENTENCE = ("the", "new", "film", "runs")


@dataclass(frozen=True)
class Cut:
    """A text in pieces: their ids, (pieces,), and how many each of its words has, (words,), 0 where nothing is left of it."""

    ids: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class PieceWindow:
    """What a model reads of a text at once, and which words are recorded in it.

    text    number of the text
    first   number of the first word that is recorded
    ids     of the pieces, special ones included, (pieces,)
    starts  where each recorded word's pieces begin in `ids`, (words,)
    sizes   how many pieces it has, (words,)
    """

    text: int
    first: int
    ids: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray


class Pieces:
    """A fast tokenizer, which knows which word a piece is of. Special tokens in a text are text like any other.

    `<unk>` is the model's own unknown piece where it has one. Raises TxrayError where words by themselves are cut otherwise
    than in a sentence.

    filled_up  an embedding may have some rows more than there are pieces, up to a round number: at least this share is filled
    """

    filled_up = 0.9

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer
        self._count = max(tokenizer.get_vocab().values()) + 1
        tokenizer.no_truncation()
        tokenizer.no_padding()
        framed = tokenizer.encode(["a"], is_pretokenized=True)
        words = [i for i, word in enumerate(framed.word_ids) if word is not None]
        self.before = np.array(framed.ids[: words[0]] if words else framed.ids, np.int64)
        self.after = np.array(framed.ids[words[-1] + 1 :] if words else [], np.int64)
        tokenizer.encode_special_tokens = True
        apart = self.cut([_SENTENCE])[0].ids.tolist()
        if apart != tokenizer.encode(" ".join(_SENTENCE), add_special_tokens=False).ids:
            raise TxrayError(
                f"this tokenizer cuts the words of {' '.join(_SENTENCE)!r} one by one otherwise than in a sentence, so that the"
                " model would read another text: TX-Ray cannot use it"
            )

    def to_json(self) -> str:
        """What `read_pieces` reads."""
        return self._tokenizer.to_str()

    def __len__(self) -> int:
        """How many pieces there are: their ids are below it."""
        return self._count

    @cached_property
    def lowercase(self) -> bool:
        """Whether a word and its lower-cased form are one to it."""
        normalizer = self._tokenizer.normalizer
        return normalizer is not None and normalizer.normalize_str("FILM") == normalizer.normalize_str("film")

    @cached_property
    def unknown(self) -> int | None:
        """The id of the piece that stands for unknown words; None where every word has pieces."""
        named = json.loads(self.to_json())["model"].get("unk_token")
        found = (self._tokenizer.token_to_id(name) for name in (named, *_UNKNOWN_PIECES) if name)
        return next((number for number in found if number is not None), None)

    def seen(self, token: str) -> str:
        """The feature that a word is: lower-cased where the tokenizer makes no difference."""
        return compose(token.lower() if self.lowercase and token != UNKNOWN else token)

    def cut(self, texts: Sequence[Sequence[str]]) -> list[Cut]:
        """Texts of words in pieces, special ones left out."""
        special = None if self.unknown is None else UNKNOWN
        given = [["a" if word == special else word for word in words] for words in texts]
        coded = self._tokenizer.encode_batch(given, is_pretokenized=True, add_special_tokens=False)
        cuts = []
        for words, pieces in zip(texts, coded, strict=True):
            ids, owner = np.array(pieces.ids, np.int64), np.array(pieces.word_ids, np.int64)
            is_unknown = np.array([word == special for word in words], bool)[owner]
            ids[is_unknown] = self.unknown or 0
            kept = ~is_unknown | (np.diff(owner, prepend=-1) > 0)
            cuts.append(Cut(ids[kept], np.bincount(owner[kept], minlength=len(words))))
        return cuts

    def framed(self, ids: np.ndarray) -> np.ndarray:
        """Pieces with the special ones before and after them."""
        return np.concatenate([self.before, ids, self.after])

    def windows(self, text: int, cut: Cut, room: int, context: int, name: str = "") -> Iterator[PieceWindow]:
        """A text in windows of at most `room` pieces, special ones included; each word is recorded in one of them.

        A recorded word has `context` pieces before and after it, or all that the text has; one of more pieces than that leaves
        room for has fewer. Raises TxrayError for a word that no window holds.
        """
        capacity = room - len(self.before) - len(self.after)
        stops = np.cumsum(cut.sizes)
        starts = stops - cut.sizes
        if len(cut.sizes) and (longest := int(cut.sizes.max())) > capacity:
            raise TxrayError(
                f"the document {name!r} has a word of {longest:,} pieces, and the model reads {capacity:,} at once: break the word"
                f" up or leave it out. It is word {int(cut.sizes.argmax()) + 1:,} of the document"
            )
        word, total = 0, len(cut.ids)
        while word < len(cut.sizes):
            left = max(0, starts[word] - context) if total > capacity else 0
            recorded = len(cut.sizes)
            if total > left + capacity:
                recorded = int(np.searchsorted(stops, left + capacity - context, side="right"))
            if recorded <= word:
                left, recorded = max(left, stops[word] - capacity), word + 1
            chosen = slice(word, recorded)
            yield PieceWindow(
                text,
                word,
                self.framed(cut.ids[left : left + capacity]),
                starts[chosen] - left + len(self.before),
                cut.sizes[chosen],
            )
            word = recorded


class Words(Pieces):
    """The words of a vocabulary, each one piece, `<unk>` where it lacks one: what a recurrent encoder reads."""

    filled_up = 1.0

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary, self.unknown, self.lowercase = vocabulary, vocabulary.unknown, vocabulary.lowercase
        self.before = self.after = np.empty(0, np.int64)

    def to_json(self) -> str:
        return json.dumps([self._vocabulary.words, self.lowercase])

    def __len__(self) -> int:
        return len(self._vocabulary)

    def seen(self, token: str) -> str:
        return self._vocabulary.seen(token)

    def cut(self, texts: Sequence[Sequence[str]]) -> list[Cut]:
        return [Cut(self._vocabulary.encode(words).astype(np.int64), np.ones(len(words), np.int64)) for words in texts]


def read_pieces(text: str) -> Pieces:
    """The tokenizer of a `tokenizer.json`, or the words that `Words.to_json` wrote."""
    if text.startswith("["):
        words, lowercase = json.loads(text)
        return Words(Vocabulary(tuple(words), lowercase))
    from tokenizers import Tokenizer

    return Pieces(Tokenizer.from_str(text))


def encode_pieces(documents: Iterable[Document], pieces: Pieces, room: int, words: int | None = None) -> Texts:
    """The first `words` words of labelled documents as ids, special ones included, no more than `room` of them each."""
    documents = list(documents)
    capacity = room - len(pieces.before) - len(pieces.after)
    cuts = pieces.cut([document.tokens[:words] for document in documents])
    ids = tuple(pieces.framed(cut.ids[:capacity]) for cut in cuts)
    labels = np.array([-1 if document.label is None else document.label for document in documents], np.int64)
    return Texts(tuple(document.name for document in documents), ids, labels)


def check_pieces(pieces: Pieces, rows: int, where: str) -> None:
    """Raise TxrayError where an embedding of so many rows cannot be that of a tokenizer."""
    if not pieces.filled_up * rows <= len(pieces) <= rows:
        raise TxrayError(
            f"{where}: the tokenizer has {len(pieces):,} pieces and the model's embedding {rows:,} rows: they belong to different"
            " models"
        )
