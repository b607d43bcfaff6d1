"""An encoder of the user's own from a safetensors file: shapes and values checked, no pickle read. May touch: errors, encoder.

Its tensors, with E for `embedding_size`, U for `units` and W for the words, as `torch.nn.Embedding` and a `torch.nn.LSTM`
of one layer name and order them (gates i, f, g, o):

    embedding.weight   (W, E)       lstm.weight_ih_l0   (4U, E)     lstm.bias_ih_l0   (4U,)
                                    lstm.weight_hh_l0   (4U, U)     lstm.bias_hh_l0   (4U,)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from txray_lib.encoders.lstm import Encoder
from txray_lib.errors import TxrayError, nearest

_CONVERT = (
    "Where you trust it, convert it in your own code:\n"
    '  state = torch.load("{name}", map_location="cpu", weights_only=True)\n'
    '  safetensors.torch.save_file({{k: v.clone() for k, v in state.items()}}, "{stem}.safetensors")'
)
_OTHER_KINDS = ("_l1", "_reverse", "weight_hr_l0")


def load_own_encoder(
    path: Path, rows: Sequence[int], embedding_size: int, units: int, embedding: str = "embedding", lstm: str = "lstm"
) -> Encoder:
    """The encoder in a file, its embedding's rows taken in the order `rows`, (words,); weights of other types as float32.

    `embedding` and `lstm` are what the two modules are called in the file; other tensors, such as a decoder's, are left
    alone. Raises TxrayError naming the tensor that is missing, of another shape (with the one that is wanted), or not finite;
    for an LSTM of several layers, directions or with a projection; and for a file that is no safetensors file.
    """
    shapes = {
        f"{embedding}.weight": (len(rows), embedding_size),
        f"{lstm}.weight_ih_l0": (4 * units, embedding_size),
        f"{lstm}.weight_hh_l0": (4 * units, units),
        f"{lstm}.bias_ih_l0": (4 * units,),
        f"{lstm}.bias_hh_l0": (4 * units,),
    }
    tensors = _read(path, shapes, lstm)
    encoder = Encoder(len(rows), embedding_size, units)
    own = {name.removeprefix(f"{lstm}."): tensor for name, tensor in tensors.items() if name.startswith(f"{lstm}.")}
    encoder.lstm.load_state_dict(own)
    with torch.no_grad():
        encoder.embedding.weight.copy_(tensors[f"{embedding}.weight"][list(rows)])
    return encoder.eval()


def untrained_encoder(words: int, embedding_size: int, units: int, seed: int) -> Encoder:
    """The encoder that pretraining with this seed would begin from."""
    torch.manual_seed(seed)
    return Encoder(words, embedding_size, units).eval()


def _read(path: Path, shapes: dict[str, tuple[int, ...]], lstm: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise TxrayError(
            f"there is no file {path}. A path in a profile is relative to the folder of the profile's file, or to TXRAY_DATA."
        )
    if path.suffix != ".safetensors":
        how = _CONVERT.format(name=path.name, stem=path.stem)
        raise TxrayError(f"{path} is no safetensors file, and nothing else is read: a pickle may run any code. {how}")
    try:
        with safe_open(path, "pt") as file:
            known = set(file.keys())
            if other := sorted(n for n in known if n.startswith(f"{lstm}.") and n.endswith(_OTHER_KINDS)):
                raise TxrayError(
                    f"{path} holds {other[0]}: the encoder is one LSTM layer in one direction, without a projection (§3.1). Collect"
                    " another kind of encoder in your own code, as the page 'A chapter of your own' shows."
                )
            return {name: _checked(file, name, shape, known, path) for name, shape in shapes.items()}
    except (SafetensorError, OSError) as error:
        raise TxrayError(
            f"{path} cannot be read as safetensors ({error}). Write it again with safetensors.torch."
        ) from None


def _checked(file: safe_open, name: str, wanted: tuple[int, ...], known: set[str], path: Path) -> Tensor:
    if name not in known:
        raise TxrayError(
            f"{path} holds no tensor {name}, wanted of shape {wanted}. {nearest(name, known)} If the modules have other names there,"
            " say so in encoder.embedding and encoder.lstm of the profile."
        )
    found = tuple(file.get_slice(name).get_shape())
    if found != wanted:
        raise TxrayError(
            f"{path}: {name} has the shape {found}, and {wanted} is wanted: a row for each line of encoder.vocabulary, columns as"
            " pretraining.embedding_size says, and 4 rows of an LSTM's tensor for each of pretraining.units."
        )
    tensor = file.get_tensor(name)
    if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
        raise TxrayError(f"{path}: {name} holds values that are not finite numbers. Train it with a lower rate.")
    return tensor.float()
