"""Tagging: one Penn Treebank tag a token, made by Flair on whole sentences in their original case (§3.1).

Comes after corpora and worlds; imports errors, corpora and txray_lib.tags. Flair itself is imported by `load_tagger`,
never by importing this room.

    tagger      load_tagger, Tagger: which tagger, and the care around every call
    tagged      tag_corpus, accuracy: a corpus with tags, and how good they are
    fast        a tagger whose embeddings look at one token at a time, executed several times faster
    plain       any other tagger, by Flair's own predict()
    embeddings  Flair's character embeddings, corrected
    store       a tagger as one .npz without pickle
    hub         Flair's own model files, found and read without running what they hold
    engine      Flair, imported quietly, on one thread
"""

from txray_lib.tagging.tagged import accuracy, tag_corpus
from txray_lib.tagging.tagger import Tagger, load_tagger

__all__ = ["Tagger", "accuracy", "load_tagger", "tag_corpus"]
