"""Fast execution of a Flair tagger whose embeddings look at one token at a time. A corner of tagging; imports flair.

Flair's predict() embeds every occurrence of every token. Where a vector depends on the token's text alone, embedding
each distinct token once and gathering rows gives the same input to the same forward(), and so the same tags.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from flair.data import Sentence
from flair.embeddings import BytePairEmbeddings, StackedEmbeddings, TokenEmbeddings, WordEmbeddings
from flair.models import SequenceTagger

from txray_lib.tagging.embeddings import TypeCharacterEmbeddings, length_batches
from txray_lib.tagging.engine import on_cpu

CACHED_TOKENS = 50_000
TOKENS_PER_BLOCK = 20_000
TOKENS_PER_BATCH = 1_024
TOKENS_PER_EMBEDDING = 2_048
_OF_THE_TOKEN_ALONE = (WordEmbeddings, BytePairEmbeddings, TypeCharacterEmbeddings)


def can_run_fast(model: SequenceTagger) -> bool:
    """Whether its embeddings are functions of the token alone, its tags are chosen singly, and it is on the CPU."""
    return (
        isinstance(model.embeddings, StackedEmbeddings)
        and all(type(e) in _OF_THE_TOKEN_ALONE and not getattr(e, "field", None) for e in model.embeddings.embeddings)
        and not model.use_crf
        and model.linear.weight.device.type == "cpu"
    )


class TokenVectors:
    """The vectors of distinct tokens, each computed once: a table of at most `capacity` rows, emptied when full."""

    def __init__(self, embeddings: TokenEmbeddings, capacity: int = CACHED_TOKENS) -> None:
        self._embeddings = embeddings
        self._table = torch.empty(capacity, embeddings.embedding_length)
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def remember(self, tokens: Sequence[str]) -> None:
        """Make room for and embed those of the distinct tokens, at most `capacity`, that are not known yet."""
        new = [token for token in tokens if token not in self._rows]
        if len(self._rows) + len(new) > len(self._table):
            self._rows.clear()
            new = list(tokens)
        for start in range(0, len(new), TOKENS_PER_EMBEDDING):
            self._embed(new[start : start + TOKENS_PER_EMBEDDING])

    def _embed(self, tokens: list[str]) -> None:
        sentence = Sentence(tokens)
        self._embeddings.embed(sentence)
        names = self._embeddings.get_names()
        first = len(self._rows)
        vectors = [torch.cat(token.get_each_embedding(names)) for token in sentence]
        self._table[first : first + len(tokens)] = torch.stack(vectors)
        self._rows.update(zip(tokens, range(first, first + len(tokens)), strict=True))

    def padded(self, sentences: Sequence[Sequence[str]]) -> torch.Tensor:
        """The vectors of remembered tokens, (sentences, longest, length): shorter sentences end in row 0's vector."""
        longest = max(map(len, sentences))
        rows = [[self._rows[token] for token in sentence] + [0] * (longest - len(sentence)) for sentence in sentences]
        return self._table[torch.tensor(rows)]


class FastExecution:
    """Tags of non-empty sentences by a model for which `can_run_fast` holds."""

    longest_sentence = 10_000
    longest_token = 1_000

    def __init__(self, model: SequenceTagger, cached_tokens: int = CACHED_TOKENS) -> None:
        self._model = model
        self._tags = model.label_dictionary.get_items()
        self._vectors = TokenVectors(model.embeddings, max(cached_tokens, self.longest_sentence, TOKENS_PER_BLOCK))

    @torch.no_grad()
    def __call__(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """One tag a token. Sentences are independent of one another, up to the rounding of float32."""
        result: list[list[str]] = []
        block: list[Sequence[str]] = []
        size = 0
        with on_cpu():
            for sentence in sentences:
                if block and size + len(sentence) > TOKENS_PER_BLOCK:
                    result += self._tag_block(block)
                    block, size = [], 0
                block.append(sentence)
                size += len(sentence)
            return result + self._tag_block(block)

    def _tag_block(self, sentences: list[Sequence[str]]) -> list[list[str]]:
        self._vectors.remember(list(dict.fromkeys(token for sentence in sentences for token in sentence)))
        tagged: list[list[str]] = [[] for _ in sentences]
        for batch in length_batches([len(s) for s in sentences], TOKENS_PER_BATCH):
            lengths = [len(sentences[i]) for i in batch]
            scores = self._model.forward(self._vectors.padded([sentences[i] for i in batch]), torch.tensor(lengths))
            for i, best in zip(batch, scores.argmax(1).split(lengths), strict=True):
                tagged[i] = [self._tags[index] for index in best.tolist()]
        return tagged
