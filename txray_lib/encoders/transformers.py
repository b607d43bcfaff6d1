"""Transformers as encoders: what the neurons of their layers do at each piece of a text. May touch: errors, settings, pieces, lstm.

A neuron is one of a layer's feed-forward network, read after the activation function (what the down projection is given), or a
dimension of the residual stream, read as the layer leaves it. One pass through the model serves all layers. Weights are read
from safetensors alone; nothing that a model brings is run.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from txray_lib.encoders.lstm import Classifier
from txray_lib.encoders.pieces import Pieces, PieceWindow
from txray_lib.errors import TxrayError, nearest
from txray_lib.settings import Reading

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_BERT, _GPT, _LLAMA = "encoder.layer.{}.output.dense", "h.{}.mlp.c_proj", "layers.{}.mlp.down_proj"
FAMILIES = {
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet", "deberta", "deberta-v2"), _BERT
    ),
    "distilbert": "transformer.layer.{}.ffn.lin2",
    **dict.fromkeys(("gpt2", "gpt_neo"), _GPT),
    "gpt_neox": "layers.{}.mlp.dense_4h_to_h",
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2"), _LLAMA),
}
"""The down projection of layer {} of each family, by `model_type` of a model's config.json."""
MOST_PIECES = 512
"""That are read at once where a profile says nothing and the model would allow more."""
PIECES_AT_ONCE = 2**13
"""Of a batch, padding included: memory does not grow with the texts."""
_ROWS_KNOWN = 0.9
"""An embedding may have a few rows more than its tokenizer has pieces, to fill up a round number."""


class Transformer(nn.Module):
    """A model of the library `transformers` without a head, and how its layers are read. See `settings.Reading`.

    model    BERT-like or GPT-like: an `AutoModel`
    layers   the numbers of the layers that are read, from 0
    units    the neurons of each; width: dimensions of what the last layer gives
    room     how many pieces go through at once, special ones included; context: how many a recorded word has on both sides

    Raises TxrayError for a model of an unknown family, a module that is not there, and a layer, a window or a context that the
    model does not have.
    """

    def __init__(self, model: PreTrainedModel, reading: Reading | None = None) -> None:
        super().__init__()
        self.model, self.reading = model, reading or Reading()
        config = model.config
        config.use_cache = False
        self.layers = _numbers(self.reading.layers, config.num_hidden_layers)
        self._path = self.reading.module or _path_of(config.model_type)
        down = [self._module(self._path, layer) for layer in self.layers]
        self.width = int(config.hidden_size)
        sizes = {_inputs(each) if self.reading.site == "feed-forward" else self.width for each in down}
        if len(sizes) > 1:
            raise TxrayError(
                f"the layers have {sorted(sizes)} neurons: choose, in encoder.layers, some that are equally wide"
            )
        self.units = sizes.pop()
        self.room, self.context = _room(config, self.reading)

    @property
    def embedding(self) -> nn.Module:
        """The embedding of the pieces, which stays as it is in fine-tuning."""
        return self.model.get_input_embeddings()

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """ids (batch, pieces) padded on the right, lengths (batch,), to what the last layer gives (batch, pieces, width)."""
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        return self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state

    @contextmanager
    def listening(self, hear: Callable[[int, Tensor], None]) -> Iterator[None]:
        """In this context `hear` is given a layer's number and activations (batch, pieces, units) whenever they are computed."""
        with self._hooked(self.layers, lambda layer: lambda value: hear(layer, value)):
            yield

    @contextmanager
    def without(self, neurons: Mapping[int, np.ndarray]) -> Iterator[None]:
        """In this context some feed-forward neurons, by layer, are 0 whatever the text."""
        if self.reading.site != "feed-forward":
            raise TxrayError("neurons are cut out of the feed-forward networks: say site: feed-forward")
        for layer, cut in neurons.items():
            if layer not in self.layers or (len(cut) and not 0 <= min(cut) <= max(cut) < self.units):
                raise TxrayError(
                    f"cannot prune layer {layer}, neurons {list(cut)[:3]} …: there are the layers {list(self.layers)} of"
                    f" {self.units} neurons, numbered from 0"
                )

        def silence(layer: int) -> Callable[[Tensor], Tensor]:
            kept = torch.ones(self.units)
            kept[torch.from_numpy(np.asarray(neurons[layer], np.int64))] = 0
            return lambda value: value * kept.to(value.device, value.dtype)

        with self._hooked(list(neurons), silence):
            yield

    @contextmanager
    def _hooked(
        self, layers: Sequence[int], make: Callable[[int], Callable[[Tensor], Tensor | None]]
    ) -> Iterator[None]:
        """In this context a function, made for each layer, is given its activations; what it gives takes their place."""
        handles = []
        try:
            for layer in layers:
                heard = make(layer)
                if self.reading.site == "feed-forward":
                    module = self._module(self._path, layer)
                    hook = module.register_forward_pre_hook(lambda _, given, heard=heard: heard(given[0]))
                else:
                    module = self._module(self._path.partition("{}")[0] + "{}", layer)
                    hook = module.register_forward_hook(lambda _, __, given, heard=heard: heard(_first(given)))
                handles.append(hook)
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _module(self, path: str, layer: int) -> nn.Module:
        try:
            return self.model.get_submodule(path.format(layer))
        except AttributeError:
            known = nearest(path.format(layer), [name for name, _ in self.model.named_modules()])
            raise TxrayError(
                f"the model {type(self.model).__name__} has no module {path.format(layer)!r}: say in encoder.module where the"
                f" down projection of a layer is, its number as {{}}. {known}"
            ) from None


class MeanClassifier(Classifier):
    """One linear layer and a sigmoid on the mean of what the last layer gives at each piece.

    The mean, since GPT-like models have no [CLS] and sentence encoders were trained on it.
    """

    def __init__(self, encoder: Transformer) -> None:
        nn.Module.__init__(self)
        self.encoder = encoder
        self.output = nn.Linear(encoder.width, 1)

    def last_hidden_states(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """ids (batch, pieces) padded on the right, lengths (batch,), to the means (batch, width); 0 for a text of no piece."""
        there = (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]).unsqueeze(2)
        return (self.encoder(ids, lengths) * there).sum(dim=1) / lengths.clamp_min(1).unsqueeze(1)


def read_windows(
    transformer: Transformer,
    windows: Sequence[PieceWindow],
    hear: Callable[[int, Sequence[PieceWindow], Tensor], None],
    batch_size: int = 64,
    device: str = "cpu",
) -> Iterator[int]:
    """Let windows of pieces run through the model, in batches of similar length, and hand on what the layers say of their words.

    `hear` is given a layer, the windows of a batch, and a row for each of their recorded words that has pieces, (words, units),
    window after window: that of the word's last piece, or the mean or the largest of its pieces. Yields how many words each
    batch had. The model is to be in evaluation mode on `device`.
    """
    order = sorted(range(len(windows)), key=lambda i: -len(windows[i].ids))
    while order:
        rows = max(1, min(batch_size, PIECES_AT_ONCE // len(windows[order[0]].ids)))
        batch, order = [windows[i] for i in order[:rows]], order[rows:]
        pieces, sizes = _places(batch, transformer.reading.pieces)
        lengths = torch.tensor([len(window.ids) for window in batch], device=device)
        ids = torch.zeros(len(batch), int(lengths.max()), dtype=torch.int64)
        for row, window in zip(ids, batch, strict=True):
            row[: len(window.ids)] = torch.from_numpy(window.ids)

        def pool(layer: int, value: Tensor, batch=batch, pieces=pieces, sizes=sizes) -> None:
            rows = value.flatten(0, 1)[pieces.to(value.device)].float()
            hear(layer, batch, rows if sizes is None else _pooled(rows, sizes, transformer.reading.pieces))

        rounded = transformer.reading.precision == "bfloat16"
        with (
            torch.no_grad(),
            torch.autocast(torch.device(device).type, torch.bfloat16) if rounded else nullcontext(),
            transformer.listening(pool),
        ):
            transformer(ids.to(device), lengths)
        yield sum(len(window.sizes) for window in batch)


def _places(batch: Sequence[PieceWindow], pooling: str) -> tuple[Tensor, Tensor | None]:
    """Where the pieces of recorded words stand in a batch that lies flat; how many each word has, where they are pooled."""
    width = max(len(window.ids) for window in batch)
    starts = np.concatenate([window.starts + row * width for row, window in enumerate(batch)])
    sizes = np.concatenate([window.sizes for window in batch])
    starts, sizes = starts[sizes > 0], sizes[sizes > 0]
    if pooling == "last":
        return torch.from_numpy(starts + sizes - 1), None
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return torch.from_numpy(np.repeat(starts, sizes) + within), torch.from_numpy(sizes)


def _pooled(rows: Tensor, sizes: Tensor, pooling: str) -> Tensor:
    """The mean or the largest of each word's pieces, (pieces, units) to (words, units)."""
    return torch.segment_reduce(rows, pooling, lengths=sizes.to(rows.device))


def load_transformer(folder: Path, reading: Reading | None = None) -> tuple[Transformer, Pieces]:
    """The model and the tokenizer of a folder, as `save_pretrained` writes them.

    Raises TxrayError for a folder without config, weights in safetensors, or a fast tokenizer; for weights that lack a part of
    the model; and for a tokenizer that is not the model's.
    """
    from transformers import AutoModel
    from transformers.utils import logging

    config = read_config(folder)
    if not (reading and reading.module):
        _path_of(config.model_type)
    _require_weights(folder)
    loudness = logging.get_verbosity()
    logging.set_verbosity_error()  # what is missing is told below
    try:
        model, found = AutoModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise TxrayError(f"the weights in {folder} cannot be read: {str(error).strip().splitlines()[0]}") from None
    finally:
        logging.set_verbosity(loudness)
    if missing := sorted(name for name in found["missing_keys"] if not name.startswith("pooler.")):
        raise TxrayError(
            f"the weights in {folder} lack {missing[0]} and {len(missing) - 1} more of what its config.json says: they are another"
            " model's"
        )
    if broken := [name for name, value in model.state_dict().items() if not torch.isfinite(value).all()]:
        raise TxrayError(f"the weights in {folder} are not finite numbers: {broken[0]}")
    pieces = load_pieces(folder)
    check_pieces(pieces, model.get_input_embeddings().num_embeddings, str(folder))
    return Transformer(_without_pooler(model), reading), pieces


def read_config(folder: Path) -> PretrainedConfig:
    """What a folder's config.json says. Raises TxrayError where it is missing or of a kind that the library does not know."""
    try:
        from transformers import AutoConfig
    except ImportError:
        raise TxrayError(
            "a Transformer needs the package transformers: pip install 'txray-lib[transformers]'"
        ) from None
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise TxrayError(
            f"{folder} holds no config.json of a model that `transformers` knows: {str(error).strip().splitlines()[0]}"
        ) from None


def load_pieces(folder: Path) -> Pieces:
    """The fast tokenizer of a folder."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True, add_prefix_space=True)
    except Exception as error:  # of many kinds: each tokenizer has its own files
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TxrayError(f"{folder} holds no tokenizer that can be read ({told}): put the model's own there") from None
    if not tokenizer.is_fast:
        raise TxrayError(
            f"the tokenizer in {folder} is a slow one, {type(tokenizer).__name__}, which does not tell which word a piece is of:"
            " put the tokenizer.json of the fast one there"
        )
    return Pieces.from_json(tokenizer.backend_tokenizer.to_str())


def check_pieces(pieces: Pieces, rows: int, where: str) -> None:
    """Raise TxrayError where an embedding of so many rows cannot be that of a tokenizer."""
    if not _ROWS_KNOWN * rows <= len(pieces) <= rows:
        raise TxrayError(
            f"{where}: the tokenizer has {len(pieces):,} pieces and the model's embedding {rows:,} rows: they belong to different"
            " models"
        )


def untrained_transformer(config: Mapping[str, Any], reading: Reading, seed: int) -> Transformer:
    """A Transformer of this config.json whose weights are drawn from the seed."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(seed)
    return Transformer(_without_pooler(AutoModel.from_config(AutoConfig.for_model(**config))), reading)


def _without_pooler(model: PreTrainedModel) -> PreTrainedModel:
    """A model in evaluation mode without BERT's layer on [CLS], which few checkpoints hold and nothing here reads."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model.eval()


def find_folder(name: str, beside: Path) -> Path:
    """The folder of a model: `beside`, else in an installed package of this name, else a download from the hub.

    A name on the hub may end in a revision, as "org/model@step1000". Raises TxrayError where it is none of these.
    """
    if beside.is_dir():
        return beside
    try:
        files = importlib.metadata.files(name) or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return _download(name, beside)
    folders = {Path(str(f.locate())).parent for f in files if f.name == "config.json"}
    holding = sorted(folder for folder in folders if next(folder.glob("*.safetensors"), None))
    if not holding:
        raise TxrayError(f"the installed package {name!r} holds no model: no config.json beside safetensors")
    return holding[0]


def _download(name: str, beside: Path) -> Path:
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    try:
        wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=wanted))
    except Exception as error:  # no network, no such name, no right to it: the client has an exception for each
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TxrayError(
            f"there is no model {name!r}: no folder {beside}, no installed package of that name, and it cannot be had from the hub"
            f" ({told}). Give a folder, relative to that of the profile's file or to TXRAY_DATA"
        ) from None


def _require_weights(folder: Path) -> None:
    """Raise TxrayError where a folder has no safetensors."""
    if next(folder.glob("*.safetensors"), None):
        return
    pickles = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in folder.glob(pattern))
    if pickles:
        raise TxrayError(
            f"{folder} holds {pickles[0]} and no safetensors: a pickle may run any code and is not read. Where you trust it,"
            " load it in your own code and write it with save_pretrained(folder, safe_serialization=True)"
        )
    raise TxrayError(f"{folder} holds no weights: model.safetensors is wanted there, as save_pretrained writes it")


def _path_of(family: str) -> str:
    if family not in FAMILIES:
        raise TxrayError(
            f"models of the family {family!r} are not known here: say in encoder.module where the down projection of a layer is,"
            f" its number as {{}}, as {_BERT!r}. {nearest(family, FAMILIES)}"
        )
    return FAMILIES[family]


def _numbers(layers: Sequence[int] | None, there: int) -> tuple[int, ...]:
    if layers is None:
        return tuple(range(there))
    if outside := [layer for layer in layers if layer >= there]:
        raise TxrayError(f"encoder.layers: there is no layer {outside[0]}: the model has {there}, numbered from 0")
    return tuple(sorted(set(layers)))


def _inputs(module: nn.Module) -> int:
    """How many values a linear map is given; GPT-2's holds its weights the other way round."""
    return int(module.in_features if hasattr(module, "in_features") else module.weight.shape[0])


def _room(config: PretrainedConfig, reading: Reading) -> tuple[int, int]:
    """How many pieces a window may have, and how many of them are context on each side."""
    most = int(getattr(config, "max_position_embeddings", MOST_PIECES))
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet"):  # positions begin after the padding's
        most -= config.pad_token_id + 1
    if reading.window and reading.window > most:
        raise TxrayError(f"encoder.window is {reading.window}, and the model reads {most} pieces at once")
    room = reading.window or min(most, MOST_PIECES)
    context = room // 8 if reading.context is None else reading.context
    if 2 * context + 4 > room:
        raise TxrayError(
            f"encoder.context is {context} on both sides, and a window has {room} pieces: choose a smaller one"
        )
    return room, context


def _first(given: Tensor | tuple[Tensor, ...]) -> Tensor:
    return given[0] if isinstance(given, tuple) else given


def model_config(transformer: Transformer) -> dict[str, Any]:
    """What `untrained_transformer` makes the same model of."""
    return json.loads(transformer.model.config.to_json_string(use_diff=False))
