"""A probabilistic grammar: weighted templates that become sentences. Part of the room worlds; touches inflection only.

A template holds words, slots, names and rules: `$surname wanted to {verb.VB} <what> .`
A slot is filled from the scene's words, a name from the scene's names, a rule by one of its templates.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from txray_lib.worlds.inflection import article

T = TypeVar("T")
Name = tuple[str, ...]

MARKS = {",": ",", ".": ".", "(": "-LRB-", ")": "-RRB-"}
_ITEM = re.compile(r"\{(?P<slot>[\w.]+)\}|<(?P<rule>[\w.]+)>|\$(?P<name>\w+)|(?P<word>\S+)")
_BLOCK = 4096


class Item(NamedTuple):
    """One piece of a template."""

    kind: Literal["word", "slot", "rule", "name"]
    text: str


class Dice:
    """Random choices from a generator whose numbers are drawn in blocks, since single draws are slow."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._numbers = self._draw()

    def _draw(self) -> Iterator[float]:
        while True:
            yield from self._generator.random(_BLOCK).tolist()

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
    """Options drawn with given weights."""

    def __init__(self, options: Sequence[T], weights: Iterable[float]) -> None:
        self.options = tuple(options)
        self._sums = list(accumulate(weights))

    @classmethod
    def zipf(cls, options: Sequence[T], exponent: float = 1.0) -> Sampler:
        """The option of rank r has a weight of 1 / r ** exponent."""
        return cls(options, (rank**-exponent for rank in range(1, len(options) + 1)))

    def draw(self, dice: Dice) -> T:
        return self.options[bisect(self._sums, dice.random() * self._sums[-1])]


@dataclass(slots=True)
class Scene:
    """What a sentence is about: a word for each slot, the names that stand in the text, and the dice."""

    words: Mapping[str, Sampler]
    names: Mapping[str, Sequence[Name]]
    dice: Dice


class Grammar:
    """Rules by name, each with weighted templates."""

    def __init__(self, rules: Mapping[str, Sequence[str]]) -> None:
        self._rules = {name: _choices(lines) for name, lines in rules.items()}

    def items(self, roots: Iterable[str]) -> Iterator[Item]:
        """Every item that can be reached from the given rules."""
        seen, ahead = set(), list(roots)
        while ahead:
            rule = ahead.pop()
            if rule in seen:
                continue
            seen.add(rule)
            for item in (item for template in self._rules[rule].options for item in template):
                yield item
                if item.kind == "rule":
                    ahead.append(item.text)

    def expand(self, rule: str, scene: Scene) -> list[str]:
        """The tokens of one sentence or clause, before articles and capitals are set right by `finish`."""
        tokens: list[str] = []
        self._expand(rule, scene, tokens)
        return tokens

    def _expand(self, rule: str, scene: Scene, tokens: list[str]) -> None:
        for kind, text in self._rules[rule].draw(scene.dice):
            if kind == "word":
                tokens.append(text)
            elif kind == "slot":
                tokens.append(_fresh(scene.words[text], tokens, scene.dice))
            elif kind == "name":
                tokens.extend(scene.dice.pick(scene.names[text]))
            else:
                self._expand(text, scene, tokens)


def _choices(lines: Sequence[str]) -> Sampler:
    weights, templates = [], []
    for line in lines:
        weight, bar, text = line.partition("|")
        weights.append(float(weight) if bar else 1.0)
        templates.append(tuple(Item(m.lastgroup, m[m.lastgroup]) for m in _ITEM.finditer(text if bar else line)))
    return Sampler(templates, weights)


def _fresh(sampler: Sampler, tokens: Collection[str], dice: Dice) -> str:
    """A word that the sentence does not hold yet, if a few draws find one."""
    word = sampler.draw(dice)
    for _ in range(6):
        if word not in tokens:
            break
        word = sampler.draw(dice)
    return word


def finish(tokens: Sequence[str]) -> list[str]:
    """A sentence with "a" or "an" by the word that follows, and a capital at its start."""
    tokens = [article(after) if token == "a" else token for token, after in zip(tokens, (*tokens[1:], ""), strict=True)]
    first = next(i for i, token in enumerate(tokens) if token[0].isalnum())
    tokens[first] = tokens[first][0].upper() + tokens[first][1:]
    return tokens


@lru_cache(maxsize=100_000)
def lowered(token: str) -> str:
    return token.lower()


def is_word(token: str) -> bool:
    """Whether a token is a word: no number and no mark."""
    return any(map(str.isalpha, token))


def tag_tokens(tokens: Sequence[str], tags: Mapping[str, str]) -> tuple[str, ...]:
    """The Penn Treebank tag of each token: in a world a lower-cased word has one tag; straight quotes open and close."""
    found, is_open = [], False
    for token in tokens:
        if token == '"':
            found.append("''" if is_open else "``")
            is_open = not is_open
        elif is_word(token):
            found.append(tags[lowered(token)])
        else:
            found.append(MARKS.get(token, "CD"))
    return tuple(found)
