"""Tagging: one Penn Treebank tag a token, made by Flair on whole sentences in their original case (§3.1).

May touch: errors, progress, corpora. Flair itself is imported by `load_tagger`, never by importing this room.
"""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from txray_lib.corpora.documents import UNKNOWN, Corpus, Document
from txray_lib.errors import TxrayError
from txray_lib.progress import bar

if TYPE_CHECKING:
    from flair.models import SequenceTagger

SENTENCES_PER_BATCH, TOKENS_PER_BATCH, LONGEST_TOKEN = 128, 4_096, 1_000
_SPACES_OF_SENTENCEPIECE = "\u2581\ufffd"


def load_tagger() -> "SequenceTagger":
    """The tagger "own", which comes with this package and is read without pickle.

    Raises TxrayError where Flair is not installed, and where the tagger's file is missing or has changed.
    """
    try:
        from txray_lib.tagging.own import load_own
    except ImportError as error:
        raise TxrayError(
            f"tagging needs Flair, which cannot be imported ({error}). Install it with: pip install 'txray-lib[tag]'."
        ) from error
    logging.getLogger("flair").setLevel(logging.WARNING)
    return load_own()


def tag_corpus(corpus: Corpus, tagger: "SequenceTagger") -> Corpus:
    """The corpus with a tag for every token, made by `load_tagger()` sentence by sentence in the original case (§3.1).

    A document without tokens has no tags, not None. Tags that were there are replaced. Raises TxrayError for a corpus without
    any token.
    """
    corpus.require_text()
    sentences = [sentence for document in corpus for sentence in document.sentence_tokens()]
    tags = iter(tag_sentences(sentences, tagger, f"tagging {corpus.name}"))
    tagged: list[Document] = []
    for document in corpus:
        found = tuple(chain.from_iterable(next(tags) for _ in document.sentences))
        tagged.append(replace(document, tags=found))
    return Corpus(corpus.name, tuple(tagged))


def tag_sentences(sentences: Sequence[Sequence[str]], tagger: "SequenceTagger", title: str = "") -> list[list[str]]:
    """One tag a token, sentence by sentence, under a progress bar with a title. Give whole sentences in their own case.

    A sentence's tags do not depend on the other sentences, up to the rounding of float32. An empty sentence has no tags.
    A token is read up to its 1,000th character; one without a visible character is read as `<unk>`.
    """
    from flair.data import Sentence

    left = sorted((i for i, sentence in enumerate(sentences) if sentence), key=lambda i: len(sentences[i]))
    tagged: list[list[str]] = [[] for _ in sentences]
    with run_flair(), bar(sum(map(len, sentences)), title, "token") as ticker:
        while left:
            size = max(1, min(SENTENCES_PER_BATCH, TOKENS_PER_BATCH // len(sentences[left[-1]])))
            batch = [left.pop() for _ in range(min(size, len(left)))]
            read = [Sentence([_make_readable(token) for token in sentences[i]]) for i in batch]
            tagger.predict(read, mini_batch_size=size)
            for i, sentence in zip(batch, read, strict=True):
                tagged[i] = [token.get_label(tagger.tag_type).value for token in sentence]
                ticker.update(len(sentence))
    return tagged


def _make_readable(token: str) -> str:
    """The token, or what stands for it where Flair could not read or could not afford it."""
    text = token[:LONGEST_TOKEN].encode("utf-8", "replace").decode("utf-8")
    is_visible = any(c.isprintable() and not c.isspace() and c not in _SPACES_OF_SENTENCEPIECE for c in text)
    return text if is_visible else UNKNOWN


@contextmanager
def run_flair() -> Iterator[None]:
    """Flair on the CPU and one thread inside, the caller's settings after.

    Two threads were up to six times slower on a busy machine; a garbage collector that walks through every object of
    Flair again and again takes a third of the time.
    """
    import flair
    import torch

    threads, before = torch.get_num_threads(), flair.device
    torch.set_num_threads(1)
    flair.device = torch.device("cpu")
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        flair.device = before
        torch.set_num_threads(threads)
