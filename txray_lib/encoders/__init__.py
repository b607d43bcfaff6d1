"""Encoders, and how they come to be: pretraining (§3.1) and supervised fine-tuning (§3.3). May touch: corpora."""

from txray_lib.encoders.finetuning import Scores, finetune, last_hidden_states, score
from txray_lib.encoders.lstm import Classifier, Encoder, LanguageModel
from txray_lib.encoders.pretraining import pretrain
from txray_lib.encoders.snapshots import load_classifier, load_encoder, save_snapshot

__all__ = [
    "Classifier",
    "Encoder",
    "LanguageModel",
    "Scores",
    "finetune",
    "last_hidden_states",
    "load_classifier",
    "load_encoder",
    "pretrain",
    "save_snapshot",
    "score",
]
