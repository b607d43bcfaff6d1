"""What kind of word a part-of-speech tag stands for, for readers who do not know the tag set by heart.

Below every room, without torch or flair: the telling half reads it too.
"""

_TAGS_OF_CLASS = {
    "noun": "NN NNS NNP NNPS",
    "verb": "VB VBD VBG VBN VBP VBZ MD",
    "adjective": "JJ JJR JJS",
    "adverb": "RB RBR RBS WRB",
    "pronoun": "PRP PRP$ WP WP$ EX",
    "determiner": "DT PDT WDT",
    "preposition": "IN",  # the subordinating conjunctions too: the tag set does not tell them apart
    "conjunction": "CC",
    "particle": "RP TO POS",  # TO is the preposition and the infinitive's "to"
    "number": "CD",
    "interjection": "UH",
    "punctuation": ". , : `` '' -LRB- -RRB- HYPH NFP",
    "symbol": "$ # SYM",
    "other": "ADD AFX FW GW LS XX",
}
_CLASSES = {tag: name for name, tags in _TAGS_OF_CLASS.items() for tag in tags.split()}


def tag_class(tag: str) -> str:
    """The class of a Penn Treebank tag, or of one that English EWT and OntoNotes add; "other" for any other tag."""
    return _CLASSES.get(tag, "other")
