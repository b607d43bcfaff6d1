"""Tagging: one Penn Treebank tag a token, made by Flair on whole sentences in their original case (§3.1).

May touch: errors, progress, corpora. Flair itself is imported by `load_tagger`, never by importing this room.
"""

from txray_lib.tagging.tagged import accuracy, load_tagger, tag_corpus, tag_sentences

__all__ = ["accuracy", "load_tagger", "tag_corpus", "tag_sentences"]
