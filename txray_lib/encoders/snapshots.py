"""Weights on disk as safetensors, whole or absent, and training that goes on after a kill. May touch: errors, places."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.errors import TxrayError
from txray_lib.places import whole_file

_SAID = "txray"
"""The one entry of a file's header, so that equal weights make equal bytes: what is said of them, and the hash of it all."""


def save_snapshot(model: Encoder | Classifier, path: Path, vocabulary_hash: str) -> None:
    """Write an encoder or a classifier, with the hash of the vocabulary that its embedding rows stand for."""
    _save({k: v.detach().cpu() for k, v in model.state_dict().items()}, path, {"vocabulary": vocabulary_hash})


def load_encoder(path: Path, vocabulary_hash: str | None = None) -> Encoder:
    """The encoder in a snapshot, whether it stands alone or in a classifier."""
    tensors = _load_snapshot(path, vocabulary_hash)
    prefix = "encoder." if "encoder.embedding.weight" in tensors else ""
    own = {
        k.removeprefix(prefix): v
        for k, v in tensors.items()
        if k.startswith(prefix + "embedding") or k.startswith(prefix + "lstm")
    }
    try:
        words, embedding_size = own["embedding.weight"].shape
        encoder = Encoder(words, embedding_size, own["lstm.weight_hh_l0"].shape[1])
        encoder.load_state_dict(own)
    except (KeyError, RuntimeError) as error:
        raise TxrayError(f"{path} does not hold an encoder of one LSTM layer: {error}") from None
    return encoder.eval()


def load_classifier(path: Path, vocabulary_hash: str | None = None) -> Classifier:
    """The classifier in a snapshot."""
    tensors = _load_snapshot(path, vocabulary_hash)
    if "output.weight" not in tensors:
        raise TxrayError(f"{path} holds no classifier. Snapshots of supervised encoders do.")
    classifier = Classifier(load_encoder(path))
    classifier.load_state_dict(tensors)
    return classifier.eval()


def save_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, extra: dict[str, Tensor], progress: dict[str, Any]
) -> None:
    """Everything needed to go on: weights, the optimiser's moments, the random state, `extra` tensors, plain `progress`."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for number, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{k}": v for k, v in moments.items()}
    tensors |= {f"extra.{k}": v for k, v in extra.items()} | {"random": torch.get_rng_state()}
    _save({k: v.detach().cpu() for k, v in tensors.items()}, path, {"progress": json.dumps(progress)})


def load_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Put back what `save_checkpoint` wrote; gives the `extra` tensors and `progress`."""
    tensors, metadata = _load(path)
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimiser": {}, "extra": {}}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        if rest:
            groups[group][rest] = tensor
    try:
        model.load_state_dict(groups["model"])
    except RuntimeError as error:
        raise TxrayError(
            f"the checkpoint {path} belongs to another profile: {error}. Delete it to train anew."
        ) from None
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups["optimiser"].items():
        number, _, moment = name.partition(".")
        moments.setdefault(int(number), {})[moment] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    torch.set_rng_state(tensors["random"])
    return groups["extra"], json.loads(metadata["progress"])


def _save(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    unshared = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    with whole_file(path) as partial:
        try:
            save_file(unshared, partial, {_SAID: json.dumps([metadata, _digest(unshared, metadata)], sort_keys=True)})
        except SafetensorError as error:
            raise OSError(28 if "space" in str(error).lower() else 5, str(error)) from None


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise TxrayError(f"there are no weights at {path}. `txray run` makes them.")
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            said = (file.metadata() or {}).get(_SAID)
        if said is None:
            raise TxrayError(f"{path} does not hold an encoder, classifier or checkpoint that this library wrote.")
        metadata, digest = json.loads(said)
        if digest != _digest(tensors, metadata):
            raise ValueError("their content is not what was written")
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise TxrayError(
            f"the weights {path} are damaged ({error}). Delete the file and run the same command again."
        ) from None
    return tensors, metadata


def _digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """The sha256 of names, kinds, shapes and values, and of what is said of them."""
    whole = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return whole.hexdigest()


def _load_snapshot(path: Path, vocabulary_hash: str | None) -> dict[str, Tensor]:
    tensors, metadata = _load(path)
    if vocabulary_hash is not None and metadata.get("vocabulary") != vocabulary_hash:
        raise TxrayError(
            f"the snapshot {path} was trained with another vocabulary, so it belongs to another profile or corpus. "
            "Load it with the vocabulary of its own run."
        )
    return tensors
