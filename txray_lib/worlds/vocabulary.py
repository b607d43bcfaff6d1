"""The words of the two worlds at a size: their tags, how often they are drawn, and the truth about them.

Part of the room worlds; may touch: errors, the other modules of worlds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.worlds.grammar import Dice, Grammar, Name, Sampler
from txray_lib.worlds.plan import (
    LISTED,
    POLARITIES,
    WORLDS,
    Place,
    Plan,
    function_words,
    inflection,
    name_pools,
    plan,
    word_file,
)
from txray_lib.worlds.size import WorldSize

STREAMS = {"words": 0, "encyclopedia": 1, "reviews": 2}
POOLS = {
    "encyclopedia": ("male", "female", "vessel", "regnal", "place", "scholar", "breed"),
    "reviews": ("male", "female", "player", "title"),
}
CORE_SHARE = 0.7
FEWEST_TOPICS, WORDS_A_TOPIC = 3, 200
FEWEST = 3
STEPS = 400


@dataclass(frozen=True)
class Vocabulary:
    """The words of one world.

    tags       lower-cased word form → its tag
    sentiment  lower-cased word form → 1 or -1, where it has one
    frames     topic → one entry for each of its groups: polarity → slot → words
    names      kind of name → names
    """

    grammar: Grammar
    tags: Mapping[str, str]
    sentiment: Mapping[str, int]
    frames: Mapping[str, Sequence[Mapping[int, Mapping[str, Sampler]]]]
    names: Mapping[str, Sampler]


def stream(seed: int, name: str) -> np.random.Generator:
    """The random numbers of one purpose, independent of the others: "words", "encyclopedia" or "reviews"."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise TxrayError(f"the world's seed is {seed!r}. Give a whole number of at least 0.")
    return np.random.default_rng(np.random.SeedSequence([int(seed), STREAMS[name]]))


def vocabulary(world: str, size: WorldSize, seed: int) -> Vocabulary:
    """The words of one world; they depend on `size.words` and the seed only.

    Each slot draws its words by Zipf's law in an order of the seed; words of sentiment that only reviews use come last.
    """
    return _vocabularies(size.words, seed)[world]


@lru_cache(maxsize=8)
def _vocabularies(words: int, seed: int) -> dict[str, Vocabulary]:
    dice = Dice(stream(seed, "words"))
    plans = {world: plan(world, _topic_count(world, words)) for world in WORLDS}
    pools = {kind: dice.shuffled(names) for kind, names in _free_names(plans).items()}
    core, named = _shares(plans, pools, words)
    kept = {kind: _first_names(kind, names, named) for kind, names in pools.items()}
    late = plans["reviews"].sentiment.keys() - plans["encyclopedia"].sentiment.keys()
    forms = sorted(set().union(*(p.tags for p in plans.values())))
    ranks = {form: (form in late, dice.random()) for form in forms}
    return {world: _choose(world, plans[world], core, kept, ranks) for world in WORLDS}


def _topic_count(world: str, words: int) -> int:
    topics = len(word_file(world)["topics"])
    return min(topics, max(FEWEST_TOPICS, words // WORDS_A_TOPIC))


def _free_names(plans: Mapping[str, Plan]) -> dict[str, list[str]]:
    """The names whose forms no other word has, whatever the world and the tag, and no two kinds share but first names."""
    taken = set(function_words()).union(*(p.tags for p in plans.values()))
    free = {}
    for kind, names in name_pools().items():
        free[kind] = [name for name in names if not taken & set(_name_forms(kind, name))]
        taken |= {form for name in free[kind] for form in _name_forms(kind, name)}
    return free


def _name_forms(kind: str, name: str) -> dict[str, str]:
    if kind == "breed":
        return {name: "NN", inflection().form(name, "NNS"): "NNS"}
    return {name.lower(): "NNP"}


def _first(options: Sequence[str], share: float) -> Sequence[str]:
    return options[: max(FEWEST, math.ceil(share * len(options)))]


def _first_names(kind: str, names: Sequence[str], share: float) -> Sequence[str]:
    """A small world has few places and families, but not as few first names."""
    return _first(names, math.sqrt(share) if kind in LISTED else share)


def _shares(plans: Mapping[str, Plan], pools: Mapping[str, Sequence[str]], words: int) -> tuple[float, float]:
    """What share of the candidates and of the names is kept, so that there are about so many content words."""

    def core(share: float) -> int:
        forms = {f for p in plans.values() for options in p.candidates.values() for f in _first(options, share)}
        return len(forms.union(*(p.fixed for p in plans.values())).difference(function_words()))

    def named(share: float) -> int:
        return sum(len(_name_forms(kind, n)) for kind, names in pools.items() for n in _first_names(kind, names, share))

    fewest, most = core(0) + named(0), core(1) + named(1)
    if not fewest <= words <= most:
        bound = f"at least {fewest}" if words < fewest else f"at most {most}"
        raise TxrayError(f"the world's size has words = {words}, which the word lists cannot give. Choose {bound}.")
    share = _largest(core, max(CORE_SHARE * words, words - named(1)))
    return share, _largest(named, words - core(share))


def _largest(count: Callable[[float], int], limit: float) -> float:
    """The largest share, in steps, whose count is within a limit; 0 where none is."""
    low, high = 0, STEPS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(middle / STEPS) <= limit else (low, middle - 1)
    return low / STEPS


def _choose(
    world: str, made: Plan, core: float, pools: Mapping[str, Sequence[str]], ranks: Mapping[str, tuple[bool, float]]
) -> Vocabulary:
    kept = {place: sorted(_first(forms, core), key=ranks.__getitem__) for place, forms in made.candidates.items()}
    tags = made.fixed | {form: place.tag for place, forms in kept.items() for form in forms}
    for kind in POOLS[world]:
        for name in pools[kind]:
            tags |= _name_forms(kind, name)
    samplers = {place: Sampler.zipf(forms) for place, forms in kept.items()}
    frames = {topic: _frames(samplers, topic) for topic in made.topics}
    names = {kind: Sampler.zipf(pools[kind]) for kind in POOLS[world]}
    sentiment = {form: p for form, p in made.sentiment.items() if form in tags}
    return Vocabulary(made.grammar, tags, sentiment, frames, names)


def _frames(samplers: Mapping[Place, Sampler], topic: str) -> list[dict[int, dict[str, Sampler]]]:
    def owned(*owners: str) -> dict[str, Sampler]:
        return {place.slot: sampler for place, sampler in samplers.items() if place.owner in owners}

    groups = sorted({p.owner for p in samplers if p.owner.startswith(f"{topic}/")})
    return [{sign: owned("", topic, group, name) for name, sign in POLARITIES.items()} for group in groups]


def truth(size: WorldSize, seed: int) -> pd.DataFrame:
    """What is known of every word of the two worlds of this size and seed, a row a word form, in alphabetical order.

    word              as the encoder sees it: lower-cased
    kind              "common" to both worlds, or of the "encyclopedia" or the "reviews" only
    sentiment         1, -1, or 0 for none: what the word says in the reviews
    tag_encyclopedia  its Penn Treebank tag there, "" where it is no word of that world
    tag_reviews       its Penn Treebank tag there, "" where it is no word of that world
    changes_tag       whether it stands in both worlds under different tags

    Numbers in digits and punctuation have no row.
    """
    worlds = {world: vocabulary(world, size, seed) for world in WORLDS}
    words = sorted(set().union(*(w.tags for w in worlds.values())))
    table = pd.DataFrame({"word": words})
    table["kind"] = [_kind(word, worlds) for word in words]
    table["sentiment"] = [worlds["reviews"].sentiment.get(word, 0) for word in words]
    for world in WORLDS:
        table[f"tag_{world}"] = [worlds[world].tags.get(word, "") for word in words]
    table["changes_tag"] = (table["kind"] == "common") & (table["tag_encyclopedia"] != table["tag_reviews"])
    return table


def _kind(word: str, worlds: Mapping[str, Vocabulary]) -> str:
    homes = [world for world in WORLDS if word in worlds[world].tags]
    return "common" if len(homes) == len(WORLDS) else homes[0]


def person(names: Mapping[str, Sampler], family: str, dice: Dice) -> tuple[Name, bool]:
    """A first name with a family name of the given kind, and whether the person is a man."""
    is_man = dice.chance(0.6)
    return (names["male" if is_man else "female"].draw(dice), names[family].draw(dice)), is_man


def single(names: Iterable[str]) -> list[Name]:
    """Names of one token each, as a scene wants them."""
    return [(name,) for name in names]
