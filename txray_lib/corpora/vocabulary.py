"""What the encoder sees of a token: one vocabulary, from the pretraining corpus.

May touch: errors, places, documents, tokenise.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from txray_lib.corpora.documents import UNKNOWN, Corpus
from txray_lib.corpora.tokenise import compose
from txray_lib.errors import TxrayError
from txray_lib.places import write_text

END = "<eos>"
"""Stands between documents in a language model's stream; never a feature of a record."""


@dataclass(frozen=True)
class Vocabulary:
    """The words an encoder knows, by id: features in order of frequency, `<unk>` among them, and `<eos>` as last id.

    words      the word of every id, in one spelling (Unicode NFC): an embedding has `len(vocabulary)` rows
    lowercase  whether a token is lower-cased before it is looked up; its spelling never matters
    """

    words: tuple[str, ...]
    lowercase: bool = True
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(map(compose, self.words)))
        if UNKNOWN not in self.words or self.words[-1] != END or len(set(self.words)) < len(self.words):
            raise TxrayError(f"a vocabulary needs distinct words with {UNKNOWN} among them and {END} as the last one.")
        object.__setattr__(self, "_ids", {word: i for i, word in enumerate(self.words[:-1])})

    def __len__(self) -> int:
        return len(self.words)

    @property
    def unknown(self) -> int:
        """The id of `<unk>`."""
        return self._ids[UNKNOWN]

    @property
    def end(self) -> int:
        """The id of `<eos>`, the last one."""
        return len(self.words) - 1

    def encode(self, tokens: Sequence[str]) -> np.ndarray:
        """The id of each token, int32, shape (tokens,); never that of `<eos>`."""
        ids, unknown = self._ids, self.unknown
        return np.fromiter((ids.get(form, unknown) for form in _forms(tokens, self.lowercase)), np.int32, len(tokens))

    def seen(self, token: str) -> str:
        """The token as the encoder sees it: lower-cased where the vocabulary is, or `<unk>`."""
        [form] = _forms([token], self.lowercase)
        return form if form in self._ids else UNKNOWN

    def unknown_share(self, corpus: Corpus) -> float:
        """The share of a corpus's tokens that the encoder sees as `<unk>`."""
        unknown = sum(int((self.encode(d.tokens) == self.unknown).sum()) for d in corpus.require_text())
        return unknown / corpus.token_count

    def digest(self) -> str:
        """The sha256 of its words and casing."""
        return hashlib.sha256(json.dumps([self.lowercase, self.words]).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write it as JSON text, whole or not at all."""
        content = {"lowercase": self.lowercase, "words": self.words}
        write_text(json.dumps(content, ensure_ascii=False, indent=0), path)

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read what `save` wrote; `steps.require_whole` has told whether it is there and whole."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(tuple(content["words"]), content["lowercase"])


def _forms(tokens: Iterable[str], lowercase: bool) -> Iterable[str]:
    return map(compose, map(str.lower, tokens) if lowercase else tokens)


def build_vocabulary(corpus_train: Corpus, size: int, lowercase: bool = True) -> Vocabulary:
    """The `size` most frequent words of a corpus, `<unk>` counted among them, ties in alphabetical order.

    `<unk>` stands at its rank, or last where the corpus has none; `<eos>` follows as one more id. A corpus with fewer
    words gives them all. Raises TxrayError for an empty corpus or a size below 2.
    """
    if size < 2:
        raise TxrayError(f"a vocabulary of {size} words was asked for: it needs at least {UNKNOWN} and one word.")
    counts = Counter[str]()
    for document in corpus_train.require_text():
        counts.update(_forms(document.tokens, lowercase))
    del counts[END]
    ranked = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))][:size]
    if UNKNOWN not in ranked:
        ranked = [*ranked[: size - 1], UNKNOWN]
    return Vocabulary((*ranked, END), lowercase)
