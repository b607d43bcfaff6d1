"""A probabilistic grammar of English: templates that become sentences, and the forms of words.

Part of the room worlds; may touch: nothing. A template holds words, slots, names and rules:
`$surname wanted to {verb.VB} <what> .` A slot is filled from the words of a topic, a name from the names of an article or
a film, a rule by one of its templates.
"""

import re
from bisect import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import accumulate, chain, count
from typing import Any, Literal, TypeVar

import numpy as np
import yaml

T = TypeVar("T")
Names = Mapping[str, Sequence[str]]

_ITEM = re.compile(r"\{(?P<slot>[\w.]+)\}|<(?P<rule>[\w.]+)>|\$(?P<name>\w+)|(?P<word>\S+)")
_SHORT = re.compile(r"(?:[^aeiou]|^y|qu)*[aeiou][^aeiouwxy]")
_CONSONANT_Y = re.compile(r".*[^aeiou]y$")
_LONG_U = re.compile(r"(?:uni(?!n)|us[aeu]|eu|ut[io]|one|once)")
_MAN = re.compile(r"(?!human|german).*man$")


class Dice:
    """Random choices, from numbers of their own for each seed and purpose; drawn in blocks, since single draws are slow."""

    def __init__(self, seed: int, purpose: Literal["words", "encyclopedia", "reviews"]) -> None:
        generator = np.random.default_rng([seed, ("words", "encyclopedia", "reviews").index(purpose)])
        self._numbers = chain.from_iterable(generator.random(4096).tolist() for _ in count())

    def random(self) -> float:
        """A number in [0, 1)."""
        return next(self._numbers)

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def shuffled(self, options: Iterable[T]) -> list[T]:
        return [option for _, option in sorted(((self.random(), i), o) for i, o in enumerate(options))]


class Sampler:
    """Options drawn with given weights; without weights by Zipf's law, where rank r has a weight of 1 / r ** exponent."""

    def __init__(self, options: Sequence[Any], weights: Iterable[float] | None = None, exponent: float = 1.0) -> None:
        self.options = tuple(options)
        self._sums = list(accumulate(weights or (rank**-exponent for rank in range(1, len(options) + 1))))

    def draw(self, dice: Dice, taken: Collection[Any] = ()) -> Any:
        """An option that is not taken, if a few draws find one."""
        for _ in range(7):
            option = self.options[bisect(self._sums, dice.random() * self._sums[-1])]
            if option not in taken:
                break
        return option


class Grammar:
    """Rules by name, each with weighted templates of items (kind, text); those of a topic are the rule "rule.topic"."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._rules: dict[str, Sampler] = {}
        for name, body in rules.items():
            for topic, lines in body.items() if isinstance(body, dict) else [("", body)]:
                self._rules[f"{name}.{topic}".rstrip(".")] = _read_templates(lines)

    def items(self, roots: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Every item that can be reached from the given rules."""
        seen, ahead = set(), list(roots)
        while ahead:
            rule = ahead.pop()
            if rule not in seen:
                seen.add(rule)
                for template in self._rules[rule].options:
                    yield from template
                    ahead.extend(text for kind, text in template if kind == "rule")

    def expand(self, rule: str, words: Mapping[str, Sampler], names: Names, dice: Dice) -> list[str]:
        """The tokens of one sentence or clause, before articles and capitals are set right by `finish`.

        words  for each slot the words it is drawn from, none twice in a sentence if it can be helped
        names  for each name the texts of which one is picked, their tokens between spaces
        """
        tokens: list[str] = []
        ahead = [("rule", rule)]
        while ahead:
            kind, text = ahead.pop()
            if kind == "rule":
                ahead.extend(reversed(self._rules[text].draw(dice)))
            elif kind == "slot":
                tokens.append(words[text].draw(dice, taken=tokens))
            elif kind == "name":
                tokens.extend(dice.pick(names[text]).split())
            else:
                tokens.append(text)
        return tokens


def _read_templates(lines: Sequence[str]) -> Sampler:
    weights, templates = [], []
    for line in lines:
        weight, bar, text = line.partition("|")
        weights.append(float(weight) if bar else 1.0)
        templates.append(tuple((m.lastgroup, m[m.lastgroup]) for m in _ITEM.finditer(text if bar else line)))
    return Sampler(templates, weights)


def finish(tokens: Sequence[str]) -> list[str]:
    """A sentence with "a" or "an" by the word that follows, and a capital at its start."""
    tokens = [article(after) if token == "a" else token for token, after in zip(tokens, (*tokens[1:], ""), strict=True)]
    first = next(i for i, token in enumerate(tokens) if token[0].isalnum())
    tokens[first] = tokens[first][0].upper() + tokens[first][1:]
    return tokens


def article(word: str) -> str:
    """ "an" before a word that starts with the sound of a vowel, else "a"."""
    word = word.lower()
    if word.startswith(("hour", "honest", "heir", "honor")):
        return "an"
    if word.isdigit():
        return "an" if word[0] == "8" or word[:2] in ("11", "18") else "a"
    return "an" if word[:1] in "aeiou" and not _LONG_U.match(word) else "a"


def is_word(token: str) -> bool:
    """Whether a token is a word: no number and no mark."""
    return any(map(str.isalpha, token))


@cache
def word_file(name: str) -> dict[str, Any]:
    """One of the package's word files: "common", "encyclopedia", "reviews" or "sentiment"."""
    text = files("txray_lib.worlds").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def inflect(lemma: str, tag: str) -> str:
    """The form of a noun or verb under a tag: `inflect("city", "NNS")` is "cities". Other tags give the lemma.

    The file "common" tells what is irregular: the past and participle of verbs, plurals, doubled last consonants.
    """
    irregular = word_file("common")
    if tag == "NNS":
        return irregular["plurals"].get(lemma) or (lemma[:-2] + "en" if _MAN.match(lemma) else _add_s(lemma))
    if tag == "VBZ":
        return _add_s(lemma)
    if tag == "VBG":
        return _stem(lemma, "ing") + "ing"
    if tag in ("VBD", "VBN"):
        if lemma in irregular["verbs"]:
            return irregular["verbs"][lemma][tag == "VBN"]
        return _stem(lemma, "ed") + "ed"
    return lemma


def _stem(verb: str, ending: str) -> str:
    if verb in word_file("common")["doubled"] or _SHORT.fullmatch(verb):
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


def _add_s(word: str) -> str:
    """The regular plural of a noun, the regular third person of a verb."""
    if _CONSONANT_Y.match(word):
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "z", "ch", "sh")) or word in ("go", "echo", "hero", "potato", "torpedo", "veto"):
        return word + "es"
    return word + "s"
