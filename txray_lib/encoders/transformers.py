"""Transformers as encoders: what the neurons of their layers do at each piece. May touch: errors, places, settings, layered,
lstm, pieces.

A neuron is one of a layer's feed-forward network, read after the activation function (what the down projection is given), or a
dimension of the residual stream, read as the layer leaves it. One pass through the model serves all layers. Weights are read
from safetensors alone; no code that a model brings is run.
"""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from txray_lib.encoders.layered import LayeredEncoder, choose_layers
from txray_lib.encoders.lstm import number_neurons
from txray_lib.encoders.pieces import Pieces, check_pieces, read_pieces
from txray_lib.errors import TxrayError, nearest
from txray_lib.places import require_fetched
from txray_lib.settings import Reading

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_BERT, _GPT, _LLAMA = "encoder.layer.{}.output.dense", "h.{}.mlp.c_proj", "layers.{}.mlp.down_proj"
FAMILIES = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet", "deberta-v2"), _BERT),
    "distilbert": "transformer.layer.{}.ffn.lin2",
    **dict.fromkeys(("gpt2", "gpt_neo"), _GPT),
    "gpt_neox": "layers.{}.mlp.dense_4h_to_h",
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3"), _LLAMA),
}
"""The down projection of layer {} of each family, by `model_type` of a model's config.json."""
MOST_PIECES = 512
"""That are read at once where a profile says nothing and the model would allow more."""


class Transformer(LayeredEncoder):
    """A model of the library `transformers` without a head, and how its layers are read.

    Raises TxrayError for a model of an unknown family, a module that is not there, and a layer, a window or a context that the
    model does not have.
    """

    def __init__(self, model: "PreTrainedModel", reading: Reading | None = None) -> None:
        super().__init__()
        self.model, self.reading = model, reading or Reading()
        model.config.use_cache = False
        self.description = model.config.to_json_string(use_diff=False)
        self.path = self.reading.module or _path_of(model.config.model_type)
        self.layers = choose_layers(self.reading.layers, model.config.num_hidden_layers)
        self.width = int(model.config.hidden_size)
        self.room, self.context = _room(model.config, self.reading)
        down = self._module(self.path, self.layers[0])
        # GPT-2's weight lies the other way round
        given = down.in_features if hasattr(down, "in_features") else len(getattr(down, "weight", ()))
        self.units = int(given) if self.reading.site == "feed-forward" else self.width
        if not self.units:
            raise TxrayError(
                f"encoder.module: {self.path!r} is no down projection, a {type(down).__name__} has no weight"
            )

    @property
    def embedding(self) -> nn.Module:
        """The embedding of the pieces, which stays as it is in fine-tuning."""
        return self.model.get_input_embeddings()

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        return self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state

    def pieces_at_once(self, device: str) -> int:
        """Fewer on a CPU, where the activations of a batch are to stay in the cache: a quarter faster."""
        return 2**11 if torch.device(device).type == "cpu" else super().pieces_at_once(device)

    @contextmanager
    def without(self, neurons: Mapping[int, np.ndarray]) -> Iterator[None]:
        """In this context some feed-forward neurons, by layer, are 0 whatever the text."""
        if self.reading.site != "feed-forward" or not set(neurons) <= set(self.layers):
            raise TxrayError(f"neurons are cut out of feed-forward networks, here of the layers {list(self.layers)}")

        def silence(layer: int) -> Callable[[Tensor], tuple[Tensor]]:
            kept = torch.ones(self.units)
            kept[number_neurons(neurons[layer], self.units)] = 0
            return lambda value: (value * kept.to(value.device, value.dtype),)

        with self._hooked(list(neurons), silence):
            yield

    def _site(self, layer: int) -> tuple[nn.Module, bool]:
        if self.reading.site == "feed-forward":
            return self._module(self.path, layer), True
        return self._module(self.path[: self.path.index("{}") + 2], layer), False

    def _module(self, path: str, layer: int) -> nn.Module:
        name = path.format(layer)
        try:
            return self.model.get_submodule(name)
        except AttributeError:
            raise TxrayError(
                f"a {type(self.model).__name__} has no module {name!r}: say in encoder.module where the down projection of a"
                f" layer is, its number as {{}}. {nearest(name, [known for known, _ in self.model.named_modules()])}"
            ) from None


def load_transformer(folder: Path, reading: Reading | None = None) -> tuple[Transformer, Pieces]:
    """The model and the tokenizer of a folder, as `save_pretrained` writes them.

    Raises TxrayError for a folder without config, weights in safetensors, or a fast tokenizer; for weights that lack a part of
    the model or are not finite; and for a tokenizer that is not the model's.
    """
    try:
        from transformers import AutoConfig, AutoModel
        from transformers.utils import logging
    except ImportError:
        raise TxrayError("a Transformer needs transformers: pip install 'txray-lib[transformers]'") from None
    for file in filter(Path.is_file, Path(folder).glob("*")):
        require_fetched(file)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise TxrayError(f"{folder} holds no config.json of a model that is known: {_first_line(error)}") from None
    if not (reading and reading.module):
        _path_of(config.model_type)
    _require_safetensors(folder)
    loudness = logging.get_verbosity()
    logging.set_verbosity_error()  # what is missing is told below
    try:
        model, found = AutoModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise TxrayError(f"the weights in {folder} cannot be read: {_first_line(error)}") from None
    finally:
        logging.set_verbosity(loudness)
    if missing := sorted(name for name in found["missing_keys"] if not name.startswith("pooler.")):
        raise TxrayError(f"the weights in {folder} lack {missing[0]}, which config.json says: they are another model's")
    if broken := [name for name, value in model.state_dict().items() if not torch.isfinite(value).all()]:
        raise TxrayError(f"the weights in {folder} are not finite numbers: {broken[0]}")
    pieces = _load_pieces(folder)
    check_pieces(pieces, model.get_input_embeddings().num_embeddings, str(folder))
    return Transformer(_without_pooler(model), reading), pieces


def untrained_transformer(config: Mapping[str, Any], reading: Reading, seed: int) -> Transformer:
    """A Transformer of what a config.json holds, its weights drawn from the seed."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(seed)
    return Transformer(_without_pooler(AutoModel.from_config(AutoConfig.for_model(**config))), reading)


def _without_pooler(model: "PreTrainedModel") -> "PreTrainedModel":
    """A model in evaluation mode without BERT's layer on [CLS], which few checkpoints hold and nothing here reads."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model.eval()


def _load_pieces(folder: Path) -> Pieces:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True, add_prefix_space=True)
    except Exception as error:  # of many kinds: each tokenizer has its own files
        raise TxrayError(
            f"{folder} holds no tokenizer that can be read ({_first_line(error)}): put the model's own there"
        ) from None
    if not tokenizer.is_fast:
        raise TxrayError(
            f"the tokenizer in {folder} is a slow one, {type(tokenizer).__name__}, which does not tell which word a piece is of:"
            " put the tokenizer.json of the fast one there"
        )
    return read_pieces(tokenizer.backend_tokenizer.to_str())


def find_folder(name: str) -> Path:
    """The folder of a model in an installed package of this name, else a download from the hub.

    A name on the hub may end in a revision, as "org/model@step1000". Raises TxrayError where it is neither.
    """
    try:
        files = importlib.metadata.files(name) or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return _download(name)
    folders = {Path(str(file.locate())).parent for file in files if file.name == "config.json"}
    holding = sorted(folder for folder in folders if next(folder.glob("*.safetensors"), None))
    if not holding:
        raise TxrayError(f"the installed package {name!r} holds no model: no config.json beside safetensors")
    return holding[0]


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=wanted))
    except Exception as error:  # no network, no such name, no right to it: the client has an exception for each
        raise TxrayError(
            f"there is no model {name!r}: no folder of that name beside the profile or in TXRAY_DATA, no installed package, and it"
            f" cannot be had from the hub ({_first_line(error)}). Install the package, or give a folder"
        ) from None


def _require_safetensors(folder: Path) -> None:
    if next(folder.glob("*.safetensors"), None):
        return
    if pickles := sorted(p.name for kind in ("bin", "pt", "pth", "ckpt") for p in folder.glob(f"*.{kind}")):
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


def _room(config: "PretrainedConfig", reading: Reading) -> tuple[int, int]:
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
            f"encoder.context is {context} on both sides, and a window has {room} pieces: give a smaller one"
        )
    return room, context


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
