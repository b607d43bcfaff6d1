"""Execution of any Flair tagger by its own predict(). A corner of tagging; imports flair."""

from __future__ import annotations

from collections.abc import Sequence

from flair.data import Sentence
from flair.models import SequenceTagger

SENTENCES_PER_CALL = 1_000  # predict() walks over all sentences of the call after each of its batches
SENTENCES_PER_BATCH = 64
TOKENS_PER_BATCH = 4_096


class PlainExecution:
    """Tags of non-empty sentences by SequenceTagger.predict()."""

    longest_sentence = 500  # contextual embeddings hold a sentence's every character times thousands of floats
    longest_token = 100

    def __init__(self, model: SequenceTagger) -> None:
        self._model = model

    def __call__(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """One tag a token."""
        tagged: list[list[str]] = [[] for _ in sentences]
        by_length = sorted(range(len(sentences)), key=lambda i: -len(sentences[i]))
        for start in range(0, len(by_length), SENTENCES_PER_CALL):
            indices = by_length[start : start + SENTENCES_PER_CALL]
            for i, tags in zip(indices, self._predict([sentences[i] for i in indices]), strict=True):
                tagged[i] = tags
        return tagged

    def _predict(self, sentences: list[Sequence[str]]) -> list[list[str]]:
        flair_sentences = [Sentence(list(tokens)) for tokens in sentences]
        batch_size = max(1, min(SENTENCES_PER_BATCH, TOKENS_PER_BATCH // len(sentences[0])))
        self._model.predict(flair_sentences, mini_batch_size=batch_size, force_token_predictions=True)
        label = self._model.label_type
        return [[token.get_label(label).value for token in sentence] for sentence in flair_sentences]
