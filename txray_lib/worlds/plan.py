"""What words a world could have, before a size chooses among them. Part of the room worlds.

In a world a lower-cased word form has exactly one tag. Whoever claims a form first keeps it: the words that stand in the
templates, words of sentiment, then nouns, adjectives, adverbs, verbs, at last names. A candidate under another tag is
left out. A verb whose past and participle look alike is used as one of the two; likewise its base form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import product

import yaml

from txray_lib.worlds.grammar import Grammar, is_word
from txray_lib.worlds.inflection import Inflection

WORLDS = ("encyclopedia", "reviews")
POLARITIES = {"positive": 1, "negative": -1}
ORDER = ("NN", "NNS", "CD", "JJ", "RB", "VBN", "VBD", "VBZ", "VBG", "VB", "VBP")
GENERATED = ("place", "scholar", "player", "title")
LISTED = ("male", "female", "vessel", "regnal")


@dataclass(frozen=True)
class Place:
    """Where a word can stand: a slot of a topic ("ship"), of its group ("ship/0"), of a polarity, or of a world ("")."""

    owner: str
    slot: str

    @property
    def kind(self) -> str:
        return self.slot.partition(".")[0]

    @property
    def tag(self) -> str:
        return self.slot.partition(".")[2]


@dataclass
class Plan:
    """A world with every candidate of every place, most needed first.

    fixed       word form of a template → tag
    candidates  place → word forms
    sentiment   word form → 1 or -1
    tags        all of these word forms → tag
    """

    grammar: Grammar
    topics: tuple[str, ...]
    fixed: dict[str, str]
    candidates: dict[Place, list[str]]
    sentiment: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@cache
def word_file(name: str) -> dict:
    """One of the package's word files: "common", "encyclopedia", "reviews" or "sentiment"."""
    text = files("txray_lib.worlds").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def inflection() -> Inflection:
    common = word_file("common")
    verbs = {base: tuple(forms) for base, forms in common["verbs"].items()}
    return Inflection(verbs, common["plurals"], frozenset(common["doubled"]))


@cache
def function_words() -> dict[str, str]:
    """Word form → tag of the words that belong to the language and to no subject."""
    return _tagged(word_file("common")["function_words"])


def _tagged(by_tag: Mapping[str, str]) -> dict[str, str]:
    return {word.lower(): tag for tag, words in by_tag.items() for word in words.split()}


@cache
def plan(world: str, topic_count: int) -> Plan:
    """The plan of a world with its first so many topics."""
    data = word_file(world)
    grammar = Grammar(dict(_flat_rules(data["rules"])))
    topics = tuple(data["topics"])[:topic_count]
    made = Plan(grammar, topics, _fixed_words(data, grammar, topics), _candidates(world, data, grammar, topics))
    made.tags |= made.fixed
    for place in sorted(made.candidates, key=lambda p: (p.owner not in POLARITIES, ORDER.index(p.tag))):
        made.candidates[place] = [form for form in made.candidates[place] if _claim(made, place, form)]
    return made


def _claim(made: Plan, place: Place, form: str) -> bool:
    polarity = POLARITIES.get(place.owner, 0)
    if form in made.sentiment and made.sentiment[form] != polarity:
        return False
    if (polarity and form in made.fixed) or made.tags.setdefault(form, place.tag) != place.tag:
        return False
    if polarity:
        made.sentiment[form] = polarity
    return True


def _flat_rules(rules: Mapping[str, list | dict]) -> Iterator[tuple[str, list]]:
    for name, body in rules.items():
        if isinstance(body, dict):
            yield from ((f"{name}.{topic}", lines) for topic, lines in body.items())
        else:
            yield name, body


def roots(data: dict, topic: str) -> list[str]:
    """The rules with which text on a topic starts."""
    if "tense" in (about := data["topics"][topic]):
        return [about["tense"], f"opening.{topic}", f"fact.{topic}"]
    return ["opening", "plot", "filler", "verdict", "denial", "closing", "agreeing", "opposing"]


def _fixed_words(data: dict, grammar: Grammar, topics: Iterable[str]) -> dict[str, str]:
    known = _tagged(data["literals"]) | function_words()
    words = {i.text.lower() for topic in topics for i in grammar.items(roots(data, topic)) if i.kind == "word"}
    words |= {word.lower() for options in data.get("bound", {}).values() for word in options.split()} | {"an"}
    return {word: known[word] for word in sorted(words) if is_word(word)}


def _candidates(world: str, data: dict, grammar: Grammar, topics: Iterable[str]) -> dict[Place, list[str]]:
    found: dict[Place, list[str]] = {}
    for topic in topics:
        for slot in sorted({i.text for i in grammar.items(roots(data, topic)) if i.kind == "slot"}):
            for owner, lemmas in _lemmas(world, data, topic, slot.partition(".")[0]):
                place = Place(owner, slot)
                found[place] = list(dict.fromkeys(_forms(lemmas, place.tag)))
    return found


def _lemmas(world: str, data: dict, topic: str, kind: str) -> Iterator[tuple[str, list[str]]]:
    about, feelings = data["topics"][topic], word_file("sentiment")
    if kind in ("verb", "object", "adj"):
        yield from ((f"{topic}/{i}", group[kind].split()) for i, group in enumerate(about["groups"]))
    elif kind in about:
        yield topic, about[kind].split()
    elif kind in data["words"]:
        yield "", data["words"][kind].split()
    else:
        for polarity in POLARITIES:
            own = feelings["own"][polarity][kind].split() if world == "reviews" else []
            yield polarity, feelings["shared"][polarity][kind].split() + own


def _forms(lemmas: Iterable[str], tag: str) -> Iterator[str]:
    for lemma in lemmas:
        if tag in ("VBD", "VBN") and inflection().form(lemma, "VBD") == inflection().form(lemma, "VBN"):
            allowed = tag == verb_roles()[lemma][0]
        else:
            allowed = tag not in ("VB", "VBP") or tag == verb_roles()[lemma][1]
        if allowed:
            yield inflection().form(lemma, tag)


@cache
def verb_roles() -> dict[str, tuple[str, str]]:
    """Verb → the tag of its past form where that looks like its participle, and the tag of its base form.

    The roles alternate in each list of verbs, so that every list has verbs of each; they are the same in both worlds.
    """
    roles: dict[str, tuple[str, str]] = {}
    for lemmas in _verb_lists():
        counts = {tag: sum(tag in roles.get(v, ()) for v in lemmas) for tag in ("VBD", "VBN", "VB", "VBP")}
        for i, verb in enumerate(v for v in lemmas if v not in roles):
            past = min(("VBD", "VBN"), key=counts.__getitem__)
            base = min(("VB", "VBP") if i // 2 % 2 == 0 else ("VBP", "VB"), key=counts.__getitem__)
            roles[verb] = (past, base)
            counts[past] += 1
            counts[base] += 1
    return roles


def _verb_lists() -> Iterator[list[str]]:
    for world in WORLDS:
        for topic in word_file(world)["topics"].values():
            yield topic["move"].split()
            yield from (group["verb"].split() for group in topic["groups"])
    for feelings in word_file("sentiment").values():
        yield from (feelings[polarity][kind].split() for polarity in POLARITIES for kind in ("like", "please"))


@cache
def name_pools() -> dict[str, tuple[str, ...]]:
    """Kind of name → every name of that kind. "breed" holds the species, which are common nouns."""
    common = word_file("common")
    pools = {kind: common["names"][kind].split() for kind in LISTED}
    pools |= {kind: _joined(common["names"][kind]) for kind in GENERATED}
    pools["breed"] = _joined(common["compounds"])
    return {kind: tuple(dict.fromkeys(names)) for kind, names in pools.items()}


def _joined(parts: list[str]) -> list[str]:
    firsts, seconds = (part.split() for part in parts)
    return [a + b for a, b in product(firsts, seconds) if a.lower() != b and a[-1] != b[0]]
