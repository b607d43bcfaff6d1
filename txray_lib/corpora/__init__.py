"""The first room: real text as documents of tokens, and the vocabulary that an encoder sees them through.

May touch: errors, places. The loaders are in `published` (WikiText-2, IMDB) and `own` (files of one's own).
"""

from txray_lib.corpora.documents import UNKNOWN, Corpus, Document
from txray_lib.corpora.vocabulary import Vocabulary

__all__ = ["UNKNOWN", "Corpus", "Document", "Vocabulary"]
