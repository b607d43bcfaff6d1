"""A Flair tagger as one .npz without pickle: matrices as int8 rows with float16 scales.

A corner of tagging; imports flair. Entries of the archive: `q/NAME` and `s/NAME` a matrix and its row
scales, `h/NAME` any other weight in float16, `spm/I` the SentencePiece model of embedding I, `meta` the rest as JSON.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flair.data import Dictionary
from flair.models import SequenceTagger

from txray_lib.errors import TxrayError
from txray_lib.tagging.embeddings import TypeCharacterEmbeddings  # registers itself with Flair
from txray_lib.tagging.engine import on_cpu

_STORABLE = {"WordEmbeddings", "BytePairEmbeddings", TypeCharacterEmbeddings.embeddings_name}
_NOT_META = {"state_dict", "embeddings", "tag_dictionary", "__cls__", "optimizer_state_dict", "model_card"}
_SMALLEST_SCALE = 2.0**-24  # the smallest positive float16: a row of zeros keeps a scale that divides


def load_npz(path: Path) -> SequenceTagger:
    """The tagger in an archive that `save_npz` wrote, on the CPU and ready to tag."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            entries = {name: archive[name] for name in archive.files}
        meta = json.loads(entries["meta"].tobytes().decode("utf-8"))
        embeddings = [_unpacked(params, entries) for params in meta.pop("embeddings")]
        state = {
            "tag_dictionary": _dictionary(meta.pop("tags")),
            "embeddings": {"__cls__": "StackedEmbeddings", "embeddings": embeddings},
            "state_dict": _weights(entries),
            **meta,
        }
        with on_cpu():
            return SequenceTagger.load(state)
    except (zipfile.BadZipFile, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise TxrayError(
            f"{path} is not a stored tagger, or it is damaged ({error}). Restore the file, or name another tagger."
        ) from error


def save_npz(model: SequenceTagger, path: Path) -> None:
    """Write a tagger of word, byte-pair and corrected character embeddings; the file appears whole or not at all.

    Rounding to int8 loses weight precision once: storing a loaded tagger gives the same weights again.
    """
    state = model._get_state_dict()
    entries: dict[str, np.ndarray] = {}
    embeddings = [_packed(e, i, entries) for i, e in enumerate(_stacked(state["embeddings"]))]
    for name, weight in state["state_dict"].items():
        entries |= _compressed(name, weight.float().cpu())
    meta = {key: value for key, value in state.items() if key not in _NOT_META}
    meta |= {"tags": state["tag_dictionary"].get_items(), "embeddings": embeddings}
    entries["meta"] = np.frombuffer(json.dumps(meta, ensure_ascii=False).encode("utf-8"), dtype=np.uint8)
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **entries)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _compressed(name: str, weight: torch.Tensor) -> dict[str, np.ndarray]:
    if weight.dim() != 2:
        return {f"h/{name}": weight.half().numpy()}
    scale = (weight.abs().amax(1, keepdim=True) / 127).clamp_min(_SMALLEST_SCALE).half()
    rows = (weight / scale.float()).round().clamp(-127, 127).to(torch.int8)
    return {f"q/{name}": rows.numpy(), f"s/{name}": scale.numpy()}


def _weights(entries: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    weights = {name[2:]: value.astype(np.float32) for name, value in entries.items() if name.startswith(("q/", "h/"))}
    for name in weights:
        if f"s/{name}" in entries:
            weights[name] *= entries[f"s/{name}"].astype(np.float32)
    return {name: torch.from_numpy(weight) for name, weight in weights.items()}


def _stacked(embeddings: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of each stacked embedding, all of a kind that can be stored."""
    kinds = [params["__cls__"] for params in embeddings.get("embeddings", [])] or [embeddings["__cls__"]]
    if foreign := set(kinds) - _STORABLE:
        raise TxrayError(
            f"a tagger with {', '.join(sorted(foreign))} cannot be stored without pickle. "
            f"Stack only {', '.join(sorted(_STORABLE))}."
        )
    return embeddings["embeddings"]


def _packed(params: dict[str, Any], index: int, entries: dict[str, np.ndarray]) -> dict[str, Any]:
    """An embedding's parameters as JSON can hold them; its SentencePiece model goes to the entries."""
    params = dict(params)
    if "spm_model_binary" in params:
        entries[f"spm/{index}"] = np.frombuffer(params.pop("spm_model_binary"), dtype=np.uint8)
        params["spm"] = index
    if "vocab" in params:
        params["vocab"] = sorted(params["vocab"], key=params["vocab"].__getitem__)
    if "path_to_char_dict" in params:
        params["path_to_char_dict"] = params["path_to_char_dict"].get_items()
    return params


def _unpacked(params: dict[str, Any], entries: dict[str, np.ndarray]) -> dict[str, Any]:
    """The inverse of `_packed`."""
    if params["__cls__"] not in _STORABLE:
        raise ValueError(f"it names the embeddings {params['__cls__']}")
    if "spm" in params:
        params["spm_model_binary"] = entries[f"spm/{params.pop('spm')}"].tobytes()
    if "vocab" in params:
        params["vocab"] = {word: i for i, word in enumerate(params["vocab"])}
    if "path_to_char_dict" in params:
        params["path_to_char_dict"] = _dictionary(params["path_to_char_dict"])
    return params


def _dictionary(items: list[str]) -> Dictionary:
    dictionary = Dictionary(add_unk=False)
    for item in items:
        dictionary.add_item(item)
    dictionary.add_unk = "<unk>" in items
    return dictionary
