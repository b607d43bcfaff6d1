"""What kind of word a part-of-speech tag stands for, for readers who do not know the tag set by heart.

Below every room, without torch or flair: the telling half reads it too.
"""

from __future__ import annotations

_TAGS_OF_CLASS = {
    "noun": "NN NNS NNP NNPS",
    "verb": "VB VBD VBG VBN VBP VBZ MD",
    "adjective": "JJ JJR JJS",
    "adverb": "RB RBR RBS WRB",
    "pronoun": "PRP PRP$ WP WP$ EX",
    "determiner": "DT PDT WDT",
    "preposition": "IN",
    "conjunction": "CC",
    "particle": "RP TO POS",
    "number": "CD",
    "interjection": "UH",
    "punctuation": ". , : `` '' -LRB- -RRB- HYPH NFP",
    "symbol": "$ # SYM",
    "other": "ADD AFX FW GW LS XX",
}

TAG_CLASSES: dict[str, str] = {tag: name for name, tags in _TAGS_OF_CLASS.items() for tag in tags.split()}
"""Every Penn Treebank tag, with the additions of English EWT and OntoNotes, and its class.

IN holds the subordinating conjunctions too and TO the infinitive's "to": the tag set does not tell them apart."""


def tag_class(tag: str) -> str:
    """The class of a tag; "other" for a tag of another tag set."""
    return TAG_CLASSES.get(tag, "other")
