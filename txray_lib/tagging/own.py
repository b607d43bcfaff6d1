"""The tagger in this package: an .npz without pickle that becomes a Flair SequenceTagger.

A corner of tagging; may touch: errors; imports flair. Entries of the archive: `q/NAME` and `s/NAME` a matrix as int8 and
the float16 scales of its rows, `h/NAME` any other weight in float16, `spm/I` the SentencePiece model of embedding I, `meta`
the rest as JSON.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import StackedEmbeddings, TokenEmbeddings
from flair.models import SequenceTagger

from txray_lib.errors import TxrayError
from txray_lib.tagging import run_flair

FILE = Path(__file__).with_name("tagger.int8.npz")
SHA256 = "4d8df9f8eaab060b21b6780052c53fc511612b61907aef26a0317fa35c1b97c4"
CACHED_TOKENS, TOKENS_PER_EMBEDDING = 50_000, 256


def load_own(path: Path = FILE) -> SequenceTagger:
    """The tagger, on the CPU and ready to tag. Raises TxrayError where its file is missing or has changed."""
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise TxrayError(f"the tagger's file {path} is missing or has changed. Restore it from git, or install again.")
    with np.load(path, allow_pickle=False) as archive:
        entries = dict(archive)
    meta = json.loads(entries.pop("meta").tobytes().decode("utf-8"))
    weights = {}
    for entry, values in entries.items():
        form, _, name = entry.partition("/")
        if form == "h":
            weights[name] = torch.from_numpy(values.astype(np.float32))
        elif form == "q":
            weights[name] = torch.from_numpy(values.astype(np.float32) * entries[f"s/{name}"].astype(np.float32))
    embeddings = [_read_embedding(params, entries) for params in meta.pop("embeddings")]
    state = {
        "tag_dictionary": _read_dictionary(meta.pop("tags")),
        "embeddings": {"__cls__": "StackedEmbeddings", "embeddings": embeddings},
        "state_dict": weights,
        **meta,
    }
    with run_flair():  # where Flair's word embeddings can be built
        model = SequenceTagger.load(state)
    model.embeddings = OncePerText(model.embeddings)
    return model


def _read_embedding(params: dict[str, Any], entries: dict[str, np.ndarray]) -> dict[str, Any]:
    """An embedding's parameters as Flair takes them, from how JSON could hold them."""
    if "spm" in params:
        params["spm_model_binary"] = entries[f"spm/{params.pop('spm')}"].tobytes()
    if "vocab" in params:
        params["vocab"] = {word: i for i, word in enumerate(params["vocab"])}
    if "path_to_char_dict" in params:
        params["path_to_char_dict"] = _read_dictionary(params["path_to_char_dict"])
        params["__cls__"] = "CharacterEmbeddings"
    return params


def _read_dictionary(items: list[str]) -> Dictionary:
    dictionary = Dictionary(add_unk=False)
    for item in items:
        dictionary.add_item(item)
    dictionary.add_unk = "<unk>" in items
    return dictionary


class OncePerText(TokenEmbeddings):
    """Embeddings that depend on a token's text alone: each distinct text is embedded once, in sentences of falling length.

    Flair embeds every occurrence; and its character embeddings (0.15.1) are right only where no token is repeated and
    none is longer than the one before it.
    """

    def __init__(self, embeddings: StackedEmbeddings) -> None:
        super().__init__()
        self.name, self.static_embeddings = "once per text", True
        self.inner = embeddings
        self._vectors: dict[str, torch.Tensor] = {}

    @property
    def embedding_length(self) -> int:
        return self.inner.embedding_length

    def _add_embeddings_internal(self, sentences: list[Sentence]) -> list[Sentence]:
        tokens = [token for sentence in sentences for token in sentence.tokens]
        if len(self._vectors) > CACHED_TOKENS:
            self._vectors.clear()
        new = [text for text in dict.fromkeys(token.text for token in tokens) if text not in self._vectors]
        new.sort(key=len, reverse=True)
        for start in range(0, len(new), TOKENS_PER_EMBEDDING):
            distinct = Sentence(new[start : start + TOKENS_PER_EMBEDDING])
            self.inner.embed(distinct)
            self._vectors |= {token.text: token.get_embedding() for token in distinct}
        for token in tokens:
            token.set_embedding(self.name, self._vectors[token.text])
        return sentences
