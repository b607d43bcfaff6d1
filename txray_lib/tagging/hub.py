"""Flair's own model files: found on the hub or on disk, and read without running what they hold.

A corner of tagging; imports flair and huggingface_hub. Flair reads its files with the whole of pickle, which can run
anything. Here only the classes and functions below are real; whatever else a file names becomes an inert stand-in.
"""

from __future__ import annotations

import codecs
import collections
import pickle
import types
from pathlib import Path
from typing import Any

import flair
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import CharacterEmbeddings, FlairEmbeddings, StackedEmbeddings, WordEmbeddings
from flair.models import LanguageModel, SequenceTagger
from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from txray_lib.errors import TxrayError

MODEL_FILE = "pytorch_model.bin"
SECONDS_TO_ASK = 10


def hub_file(name: str) -> Path:
    """The model file of "owner/model" or "owner/model@revision" on the hub: from Flair's cache, or downloaded."""
    repository, _, revision = name.partition("@")
    folder = Path(flair.cache_root) / "models" / repository.split("/")[1]
    place = {"filename": MODEL_FILE, "revision": revision or "main", "cache_dir": folder}
    cached = try_to_load_from_cache(repository, **place)
    if isinstance(cached, str):
        return Path(cached)
    try:
        HfApi().model_info(repository, revision=revision or "main", timeout=SECONDS_TO_ASK)
        return Path(hf_hub_download(repository, **place))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise TxrayError(
            f"the hub has no model {name!r} that is open to you. Known to work: flair/pos-english, "
            "flair/pos-english-fast; 'own' needs no hub."
        ) from error
    except (OSError, HfHubHTTPError) as error:
        raise TxrayError(
            f"the tagger {name!r} is not in {folder}, and the hub could not give its file {MODEL_FILE} "
            f"({type(error).__name__}). Use the tagger 'own', which comes with the library; or connect to the network; "
            f"or download https://huggingface.co/{repository}/resolve/{revision or 'main'}/{MODEL_FILE} elsewhere "
            "and give the path of that file as the tagger's name."
        ) from error


def load_flair_file(path: Path) -> SequenceTagger:
    """The SequenceTagger in a file written by Flair, on Flair's device."""
    unpickler = type("Unpickler", (_InertUnpickler,), {"unknown": []})
    reader = types.ModuleType("inert_pickle")
    vars(reader).update(Unpickler=unpickler, load=lambda file, **options: unpickler(file, **options).load())
    try:
        state = torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("it holds no model's state")
        _require_known_embeddings(state["embeddings"])
        model = SequenceTagger.load(state)
        model.predict(Sentence(["It", "tags", "."]))  # a stand-in where a part is needed shows here, not later
        return model
    except Exception as error:
        names = f", which names {', '.join(sorted(set(unpickler.unknown)))}" if unpickler.unknown else ""
        raise TxrayError(
            f"{path} is not a sequence tagger that can be read safely{names} ({type(error).__name__}: {error}). "
            "Check the file, or use the tagger 'own'."
        ) from error


def _require_known_embeddings(embeddings: Any) -> None:
    """Refuse embeddings, described by parameters, that would fetch or unpickle files when they are built."""
    if not isinstance(embeddings, dict):
        return
    if embeddings["__cls__"] not in _BUILT_FROM_PARAMETERS or isinstance(embeddings.get("path_to_char_dict"), str):
        raise pickle.UnpicklingError(f"its embeddings are {embeddings['__cls__']}")
    for part in embeddings.get("embeddings", ()):
        _require_known_embeddings(part)


class _StandIn:
    """What a name that is not on the list becomes: takes anything, does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, item: Any) -> None: ...

    def extend(self, items: Any) -> None: ...

    def add(self, item: Any) -> None: ...


def _restored_only(cls: type) -> type:
    """A class whose objects can be restored from their stored state but not built: building could fetch other files."""

    def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
        raise pickle.UnpicklingError(f"the file wants to build a {cls.__name__} instead of restoring it")

    return type(cls.__name__, (cls,), {"__init__": refuse, "__module__": cls.__module__})


_RESTORED_ONLY = (StackedEmbeddings, FlairEmbeddings, CharacterEmbeddings, WordEmbeddings, LanguageModel)
_BUILT_FROM_PARAMETERS = {
    *("StackedEmbeddings", "FlairEmbeddings", "CharacterEmbeddings", "TypeCharacterEmbeddings"),
    *("WordEmbeddings", "BytePairEmbeddings"),
}
_HARMLESS = (
    *(collections.OrderedDict, collections.defaultdict, set, frozenset, int, slice, codecs.encode),
    *(torch.Size, torch.device, Dictionary, flair.nn.LockedDropout, flair.nn.WordDropout),
    *(torch.nn.Embedding, torch.nn.LSTM, torch.nn.GRU, torch.nn.Linear, torch.nn.Dropout, torch.nn.LayerNorm),
    *(torch.nn.ModuleList, torch.nn.Parameter),
    *(torch._utils._rebuild_tensor, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter),
)
_KNOWN: dict[str, Any] = {f"{o.__module__}.{o.__qualname__}": o for o in _HARMLESS}
_KNOWN |= {f"{c.__module__}.{c.__qualname__}": _restored_only(c) for c in _RESTORED_ONLY}
_KNOWN |= {f"__builtin__.{o.__name__}": o for o in (set, frozenset, int, slice)} | {
    "__builtin__.long": int
}  # protocol 2
_KNOWN |= {f"flair.nn.{c.__name__}": c for c in (flair.nn.LockedDropout, flair.nn.WordDropout)}  # their place once


class _InertUnpickler(pickle.Unpickler):
    unknown: list[str]

    def find_class(self, module: str, name: str) -> Any:
        full_name = f"{module}.{name}"
        if full_name not in _KNOWN:
            self.unknown.append(full_name)
        return _KNOWN.get(full_name, _StandIn)
