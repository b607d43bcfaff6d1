"""An encoder of layers in place of the LSTM: the steps vocabulary, pretrain, finetune, collect and prune of such a profile.

May touch: corpora, encoders, layers, pruning, steps.
"""

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from txray_lib import places
from txray_lib.corpora.documents import SPLITS, load_corpus_file
from txray_lib.corpora.own import load_words
from txray_lib.encoders.encoded import Texts
from txray_lib.encoders.layered import LayeredEncoder
from txray_lib.encoders.lstm import Classifier
from txray_lib.encoders.pieces import Pieces, Words, encode_pieces, read_pieces
from txray_lib.encoders.recurrent import Recurrent
from txray_lib.encoders.snapshots import load_own_encoder, load_weights, save_snapshot
from txray_lib.encoders.transformers import find_folder, load_transformer, untrained_transformer
from txray_lib.errors import TxrayError
from txray_lib.layers import collect_layers
from txray_lib.pruning import layer_pruning_tables
from txray_lib.settings import OwnEncoder
from txray_lib.stages import Stage
from txray_lib.steps import Task
from txray_lib.steps.collect import write_records
from txray_lib.steps.score import read_rq3
from txray_lib.steps.train import finetune_encoder, write_empty_curve
from txray_lib.tables import write_table


def take(task: Task, folder: Path) -> None:
    """Take the checkpoints and the tokenizer, or the words; an untrained encoder that is not given is drawn from the seed."""
    units = task.profile.pretraining.units
    models, pieces = _load_recurrent(task) if isinstance(task.profile.encoder, OwnEncoder) else _load_transformers(task)
    last = models[max(models)]
    if last.units != units:
        raise TxrayError(f"pretraining.units is {units}, and a layer of this encoder has {last.units} neurons")
    if pieces.lowercase != task.profile.vocabulary.lowercase:
        does = "lower-cases" if pieces.lowercase else "keeps the case of"
        raise TxrayError(f"the tokenizer {does} words: say vocabulary.lowercase: {str(pieces.lowercase).lower()}")
    config = last.description
    digest = _digest(config, pieces.to_json())
    models.setdefault(0, _untrained(task, config, task.profile.seed))
    shapes = [value.shape for value in last.state_dict().values()]
    for epoch, encoder in models.items():
        if [value.shape for value in encoder.state_dict().values()] != shapes:
            raise TxrayError(f"the checkpoint of epoch {epoch} is not of the same architecture as the last one")
        save_snapshot(encoder, folder / f"epoch-{epoch}.safetensors", digest)
    places.write_text(config, folder / "config.json")
    places.write_text(pieces.to_json(), folder / "tokenizer.json")
    write_empty_curve(folder)


def _load_transformers(task: Task) -> tuple[dict[int, LayeredEncoder], Pieces]:
    """The checkpoint of each epoch, and the tokenizer of the last."""
    models = {}
    for epoch, name in sorted(task.profile.encoder.files.items()):
        own = next((path.parent for file, path in task.own.items() if file.startswith(f"{name}/")), None)
        models[epoch], pieces = load_transformer(own or find_folder(name), task.profile.encoder)
    return models, pieces


def _load_recurrent(task: Task) -> tuple[dict[int, LayeredEncoder], Pieces]:
    """The checkpoint of each epoch, and their words."""
    own, model = task.profile.encoder, task.profile.pretraining
    vocabulary, rows = load_words(task.own[own.vocabulary], task.profile.vocabulary.lowercase)
    given = (rows, model.embedding_size, model.units, own)
    return {epoch: load_own_encoder(task.own[name], *given) for epoch, name in own.files.items()}, Words(vocabulary)


def encode_corpora(task: Task, folder: Path) -> None:
    """Cut the reviews in pieces, and count what becomes of the words of the stages."""
    encoder, pieces, _ = _read_model(task)
    words = task.profile.finetuning.max_tokens
    target = load_corpus_file(task.file("corpora", "target.parquet"))
    for split in SPLITS:
        encode_pieces(target.split(split), pieces, encoder.room, words).save(folder / f"texts-{split}.npz")
    rows = []
    for role in ("pretraining", "target"):
        corpus = load_corpus_file(task.file("corpora", f"stage-{role}.parquet"))
        cuts, tokens = pieces.cut([document.tokens for document in corpus]), corpus.token_count
        sizes = np.concatenate([cut.sizes for cut in cuts])
        windows = sum(len([*pieces.windows(i, cut, encoder.room, encoder.context)]) for i, cut in enumerate(cuts))
        unknown = sum(int((cut.ids == pieces.unknown).sum()) for cut in cuts)
        counted = {
            "unknown_share": unknown / tokens,
            "pieces": int(sizes.sum()),
            "special_pieces": windows * (len(pieces.before) + len(pieces.after)),
            "windows": windows,
            "words_in_pieces": int((sizes > 1).sum()),
            "words_without_a_piece": int((sizes == 0).sum()),
            "vocabulary": len(pieces),
        }
        rows += [(corpus.name, measure, value) for measure, value in counted.items()]
    write_table(pd.DataFrame(rows, columns=["corpus", "measure", "value"]), folder / "measures.parquet")


def finetune(task: Task, folder: Path, seed: int | None = None, shuffled: int = 0) -> None:
    """Fine-tune the encoder on the labels, and score the classifier; arguments as those of `train.finetune`."""
    encoder, _, digest = _read_model(task, f"epoch-{task.profile.pretraining.epochs}")
    finetune_encoder(task, folder, encoder, _read_texts(task), digest, seed, shuffled)


def collect(task: Task, folder: Path, stage: Stage, shard: int = 0) -> None:
    """Collect the records of a stage, of all layers, or those of one of its shards."""
    write_records(task, folder, stage, shard, partial(collect_layers, *load_stage(task, stage)))


def load_stage(task: Task, stage: Stage) -> tuple[LayeredEncoder | Classifier, Pieces]:
    """The model of a stage, as it was trained, and its tokenizer."""
    model, pieces, digest = _read_model(task)
    if stage.snapshot == "supervised":
        model = Classifier(model)
    load_weights(model, task.file(stage.trained, f"{stage.snapshot}.safetensors"), digest)
    return model.eval(), pieces


def prune(task: Task, folder: Path) -> None:
    """Silence the sets A–D of the layers and random ones, and score the classifier on test reviews."""
    encoder, _, digest = _read_model(task)
    classifier = Classifier(encoder)
    load_weights(classifier, task.file("finetune", "supervised.safetensors"), digest)
    scored, profile = {"test": _read_texts(task)["test"]}, task.profile
    asked = (profile.pruning, profile.seed, task.device, profile.finetuning.precision)
    tables = layer_pruning_tables(classifier, read_rq3(task), scored, *asked)
    for name, table in zip(("pruning", "pruning_random"), tables, strict=True):
        write_table(table, folder / f"{name}.parquet")


def _untrained(task: Task, config: str, seed: int) -> LayeredEncoder:
    """An encoder of this description, its weights drawn from the seed."""
    own = task.profile.encoder
    if isinstance(own, OwnEncoder):
        torch.manual_seed(seed)
        return Recurrent(*json.loads(config), own.chosen).eval()
    return untrained_transformer(json.loads(config), own, seed)


def _read_model(task: Task, snapshot: str = "") -> tuple[LayeredEncoder, Pieces, str]:
    """The encoder of a run, with the weights of a snapshot where one is named; its tokenizer; the hash of both."""
    config = task.file("pretrain", "config.json").read_text(encoding="utf-8")
    tokenizer = task.file("pretrain", "tokenizer.json").read_text(encoding="utf-8")
    encoder, digest = _untrained(task, config, 0), _digest(config, tokenizer)
    if snapshot:
        load_weights(encoder, task.file("pretrain", f"{snapshot}.safetensors"), digest)
    return encoder, read_pieces(tokenizer), digest


def _read_texts(task: Task) -> dict[str, Texts]:
    return {split: Texts.load(task.file("vocabulary", f"texts-{split}.npz")) for split in SPLITS}


def _digest(config: str, tokenizer: str) -> str:
    return hashlib.sha256(f"{config}\n{tokenizer}".encode()).hexdigest()
