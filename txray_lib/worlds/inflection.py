"""English inflection: the forms of a noun or verb by Penn Treebank tag. Part of the room worlds; touches nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SHORT = re.compile(r"(?:[^aeiou]|^y|qu)*[aeiou][^aeiouwxy]")
_SIBILANT = re.compile(r".*(?:s|x|z|ch|sh)$")
_CONSONANT_Y = re.compile(r".*[^aeiou]y$")
_LONG_U = re.compile(r"(?:uni(?!n)|us[aeu]|eu|ut[io]|one|once)")
_MAN = re.compile(r"(?!human|german).*man$")
_SILENT_H = re.compile(r"(?:hour|honest|heir|honor)")


@dataclass(frozen=True)
class Inflection:
    """What English forms irregularly.

    verbs    base form → (past, past participle)
    plurals  singular → plural
    doubled  verbs of several syllables that double their last consonant
    """

    verbs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    plurals: Mapping[str, str] = field(default_factory=dict)
    doubled: frozenset[str] = frozenset()

    def form(self, lemma: str, tag: str) -> str:
        """The form of a lemma under a tag: `form("city", "NNS")` is "cities". Tags that do not inflect give the lemma."""
        match tag:
            case "NNS":
                return self.plurals.get(lemma) or (lemma[:-2] + "en" if _MAN.match(lemma) else add_s(lemma))
            case "VBZ":
                return add_s(lemma)
            case "VBG":
                return self._stem(lemma, "ing") + "ing"
            case "VBD" | "VBN":
                if lemma in self.verbs:
                    return self.verbs[lemma][tag == "VBN"]
                return self._stem(lemma, "ed") + "ed"
        return lemma

    def _stem(self, verb: str, ending: str) -> str:
        if verb in self.doubled or _SHORT.fullmatch(verb):
            return verb + verb[-1]
        if verb.endswith("ie"):
            return verb[:-2] + "y" if ending == "ing" else verb[:-1]
        if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
            return verb[:-1]
        if verb.endswith("ee") and ending == "ed":
            return verb[:-1]
        if ending == "ed" and _CONSONANT_Y.match(verb):
            return verb[:-1] + "i"
        return verb


def add_s(word: str) -> str:
    """The regular plural of a noun, the regular third person of a verb."""
    if _CONSONANT_Y.match(word):
        return word[:-1] + "ies"
    if _SIBILANT.match(word) or word in ("go", "echo", "hero", "potato", "torpedo", "veto"):
        return word + "es"
    return word + "s"


def article(word: str) -> str:
    """ "an" before a word that starts with the sound of a vowel, else "a"."""
    word = word.lower()
    if _SILENT_H.match(word):
        return "an"
    if word.isdigit():
        return "an" if word[0] == "8" or word[:2] in ("11", "18") else "a"
    return "an" if word[:1] in "aeiou" and not _LONG_U.match(word) else "a"
