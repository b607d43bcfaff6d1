"""Weights on disk as safetensors, whole or absent; no pickle is read. May touch: errors, places, settings.

Snapshots of encoders and classifiers, those of the user's own, and checkpoints from which a killed training goes on.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from txray_lib.encoders.lstm import Classifier, Encoder
from txray_lib.encoders.recurrent import Cell, Recurrent
from txray_lib.errors import TxrayError, nearest
from txray_lib.places import require_fetched, whole_file
from txray_lib.settings import OwnEncoder

_SAID = "txray"
"""The one entry of a file's header, so that equal weights make equal bytes: what is said of them, and the hash of it all."""
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")
"""What DataParallel and torch.compile put before every name."""


def save_snapshot(model: Encoder | Classifier, path: Path, vocabulary_hash: str) -> None:
    """Write an encoder or a classifier, with the hash of the vocabulary that its embedding rows stand for."""
    _save({k: v.detach().cpu() for k, v in model.state_dict().items()}, path, {"vocabulary": vocabulary_hash})


def load_snapshot(path: Path, vocabulary_hash: str | None = None) -> Encoder | Classifier:
    """The encoder in a snapshot, or the classifier with its encoder."""
    tensors = _read_snapshot(path, vocabulary_hash)
    within = "encoder." if "output.weight" in tensors else ""
    try:
        words, embedding_size = tensors[f"{within}embedding.weight"].shape
        model = Encoder(words, embedding_size, tensors[f"{within}lstm.weight_hh_l0"].shape[1])
        model = Classifier(model) if within else model
        model.load_state_dict(tensors)
    except (KeyError, RuntimeError) as error:
        raise TxrayError(f"{path} does not hold an encoder of one LSTM layer: {error}") from None
    return model.eval()


def load_weights(module: nn.Module, path: Path, vocabulary_hash: str) -> None:
    """Put the weights of a snapshot into a module of any kind whose they are."""
    try:
        module.load_state_dict(_read_snapshot(path, vocabulary_hash))
    except RuntimeError as error:
        raise TxrayError(f"{path} does not hold the weights of a {type(module).__name__}: {error}") from None


def untrained_encoder(words: int, embedding_size: int, units: int, seed: int) -> Encoder:
    """The encoder that pretraining with this seed would begin from."""
    torch.manual_seed(seed)
    return Encoder(words, embedding_size, units).eval()


def load_own_encoder(
    path: Path, rows: Sequence[int], embedding_size: int, units: int, own: OwnEncoder
) -> Encoder | Recurrent:
    """An encoder of the user's own, its embedding's rows taken in the order `rows`, (words,); other types as float32.

    Where `own.layers` says nothing it is the paper's, an LSTM of one layer and direction, else LSTMs or GRUs of any number of
    layers and directions, of which these are read; a layer has `units` neurons, half of them in each of two directions.

    With E for `embedding_size`, U for `units`, W for the words, the file holds what a `torch.nn.Embedding` called
    `own.embedding` and a `torch.nn.LSTM` called `own.lstm` (gates i, f, g, o) hold, by itself or within DataParallel or a
    compiled module; what else is there is left alone. What cells there are is seen from the names and shapes:

        embedding.weight  (W, E)    lstm.weight_ih_l0  (4U, E)    lstm.weight_hh_l0  (4U, U)    lstm.bias_ih_l0, _hh_l0  (4U,)

    Raises TxrayError naming the tensor that is missing, of another shape (with the one that is wanted), or not finite; for
    cells of another kind; for more layers or directions than are asked for; and for a file that is no safetensors file.
    """
    tensors = _read_own(path)
    cell, depth, bidirectional = _cells(tensors, own.lstm, path)
    if own.layers is None and (cell, depth, bidirectional) != ("lstm", 1, False):
        raise TxrayError(
            f"{path} holds {cell.upper()} cells in {depth} layer(s) and {1 + bidirectional} direction(s): say `layers: all` in the"
            " profile's encoder. Without it the encoder is the paper's, one LSTM layer in one direction (§3.1)."
        )
    hidden = units // (1 + bidirectional)
    layered, weights = Recurrent(cell, len(rows), embedding_size, hidden, depth, bidirectional, own.chosen), {}
    for name, like in layered.state_dict().items():
        module, _, parameter = name.rpartition(".")
        theirs = f"{own.embedding}.weight"
        if module != "embedding":
            theirs = f"{own.lstm}.{parameter.replace('_l0', '_l' + module.split('.')[1])}"
        weights[name] = _own_tensor(tensors, theirs, like.shape, path)
    weights["embedding.weight"] = weights["embedding.weight"][list(rows)]
    layered.load_state_dict(weights)
    if own.layers is not None:
        return layered.eval()
    encoder = Encoder(len(rows), embedding_size, units)
    encoder.embedding, encoder.lstm = layered.embedding, layered.stack[0].cells
    return encoder.eval()


def _read_own(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that somebody else wrote, under their names with and without those of wrappers."""
    if not path.is_file():
        raise TxrayError(
            f"there is no file {path}. A path in a profile is relative to the folder of the profile's file, or to TXRAY_DATA."
        )
    if path.suffix != ".safetensors":
        raise TxrayError(
            f"{path} is no safetensors file, and nothing else is read: a pickle may run any code. Where you trust it, read it in"
            " your own code and write its tensors with safetensors.torch.save_file."
        )
    require_fetched(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise TxrayError(f"{path} cannot be read as safetensors ({error}): write it again") from None
    return {_WRAPPERS.sub("", name): tensor for name, tensor in tensors.items()} | tensors


def _cells(tensors: Mapping[str, Tensor], name: str, path: Path) -> tuple[Cell, int, bool]:
    """Which cells a module holds, in how many layers, and whether in both directions; an LSTM of one where it is not there."""
    named = [re.fullmatch(rf"{re.escape(name)}\.\w+_l(\d+)(_reverse)?", tensor) for tensor in tensors]
    found = [match.groups() for match in named if match]
    first = tensors.get(f"{name}.weight_hh_l0")
    rows, columns = first.shape if first is not None and first.ndim == 2 else (4, 1)
    if rows == columns or f"{name}.weight_hr_l0" in tensors:
        raise TxrayError(
            f"{path}: {name} holds the weights of a plain RNN or of cells with a projection, and LSTMs and GRUs without one are"
            " read. Collect another kind in your own code, as the page 'A chapter of your own' shows."
        )
    cell: Cell = "gru" if rows == 3 * columns else "lstm"  # of another shape, it is told by `_own_tensor`
    return cell, 1 + max((int(layer) for layer, _ in found), default=0), any(back for _, back in found)


def _own_tensor(tensors: Mapping[str, Tensor], name: str, wanted: torch.Size, path: Path) -> Tensor:
    if name not in tensors:
        raise TxrayError(
            f"{path} holds no tensor {name}, wanted of shape {tuple(wanted)}. {nearest(name, tensors)} If the modules have other"
            " names there, say so in encoder.embedding and encoder.lstm of the profile."
        )
    tensor = tensors[name]
    if tensor.shape != wanted:
        raise TxrayError(
            f"{path}: {name} has the shape {tuple(tensor.shape)}, and {tuple(wanted)} is wanted, by encoder.vocabulary and by"
            " pretraining.embedding_size and pretraining.units of the profile"
        )
    if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
        raise TxrayError(f"{path}: {name} holds values that are not finite numbers. Train it with a lower rate.")
    return tensor.float()


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
    groups: dict[str, dict[str, Tensor]] = defaultdict(dict)
    moments: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        if group == "optimiser":
            number, _, moment = rest.partition(".")
            moments[int(number)][moment] = tensor
        else:
            groups[group][rest] = tensor
    try:
        model.load_state_dict(groups["model"])
    except RuntimeError as error:
        raise TxrayError(
            f"the checkpoint {path} belongs to another profile: {error}. Delete it to train anew."
        ) from None
    optimiser.load_state_dict({**optimiser.state_dict(), "state": dict(moments)})
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
            f"the weights {path} are damaged ({error}): delete the file and run the command again"
        ) from None
    return tensors, metadata


def _digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """The sha256 of names, kinds, shapes and values, and of what is said of them."""
    whole = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return whole.hexdigest()


def _read_snapshot(path: Path, vocabulary_hash: str | None) -> dict[str, Tensor]:
    tensors, metadata = _load(path)
    if vocabulary_hash is not None and metadata.get("vocabulary") != vocabulary_hash:
        raise TxrayError(
            f"the snapshot {path} was trained with another vocabulary, so it belongs to another profile or corpus. "
            "Load it with the vocabulary of its own run."
        )
    return tensors
