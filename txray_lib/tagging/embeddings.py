"""Flair's character embeddings, corrected. A corner of tagging; imports flair: import it only where a text is tagged.

Importing this module registers the class with Flair under the name that stored taggers give it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from flair.data import Sentence
from flair.embeddings import CharacterEmbeddings
from flair.embeddings.base import register_embeddings
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CHARACTERS_PER_BATCH = 32_768


@register_embeddings
class TypeCharacterEmbeddings(CharacterEmbeddings):
    """Character embeddings that are a function of the token's text alone.

    In Flair 0.15.1 a token that is repeated in a sentence gets another token's vector (only its last occurrence is
    right), and every sentence costs the square of its length. Here each distinct text is encoded once, as Flair encodes
    it where it is right: both directions of the LSTM, read at the last character.
    """

    def _add_embeddings_internal(self, sentences: list[Sentence]) -> list[Sentence]:
        tokens = [token for sentence in sentences for token in sentence.tokens]
        texts = list(dict.fromkeys(token.text for token in tokens))
        vectors = dict(zip(texts, self.encode(texts), strict=True))
        for token in tokens:
            token.set_embedding(self.name, vectors[token.text])
        return sentences

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """One vector a text, (texts, embedding_length). No text is empty."""
        characters = [torch.tensor([self.char_dictionary.get_idx_for_item(c) for c in text]) for text in texts]
        vectors = torch.empty(len(texts), self.embedding_length, device=self.char_embedding.weight.device)
        for batch in length_batches([len(c) for c in characters], CHARACTERS_PER_BATCH):
            vectors[batch] = self._encode_batch([characters[i] for i in batch])
        return vectors

    def _encode_batch(self, characters: list[torch.Tensor]) -> torch.Tensor:
        """The same for texts of falling length, as character ids."""
        lengths = torch.tensor([len(c) for c in characters])
        padded = torch.nn.utils.rnn.pad_sequence(characters).to(self.char_embedding.weight.device)
        states, _ = self.char_rnn(pack_padded_sequence(self.char_embedding(padded), lengths))
        states, _ = pad_packed_sequence(states)
        return states[lengths - 1, torch.arange(len(characters))]


def length_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices of all items in batches, longest first; a batch, padded to its longest, stays within the budget.

    An item longer than the budget is a batch of its own.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
