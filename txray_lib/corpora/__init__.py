"""The first room: real and generated text as documents of tokens, and the vocabulary that an encoder sees them through.

May touch: errors, places.
"""

from txray_lib.corpora.documents import UNKNOWN, Corpus, Document, load_corpus_file, save_corpus
from txray_lib.corpora.own import load_labelled, load_text, load_words
from txray_lib.corpora.published import load_imdb, load_wikitext
from txray_lib.corpora.tokenise import tokenise_like_wikitext
from txray_lib.corpora.vocabulary import Vocabulary, build_vocabulary

__all__ = [
    "UNKNOWN",
    "Corpus",
    "Document",
    "Vocabulary",
    "build_vocabulary",
    "load_corpus_file",
    "load_imdb",
    "load_labelled",
    "load_text",
    "load_wikitext",
    "load_words",
    "save_corpus",
    "tokenise_like_wikitext",
]
