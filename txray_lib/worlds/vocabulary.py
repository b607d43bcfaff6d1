"""The words of the two worlds at a size: their tags, how often they are drawn, and the truth about them.

Part of the room worlds; may touch: errors, the grammar. In a world a lower-cased word form has exactly one tag. Whoever
claims a form first keeps it: the words that stand in the templates, words of sentiment, then nouns, adjectives, adverbs,
verbs, at last names. A verb whose past and participle look alike is used as one of the two; likewise its base form.
"""

import math
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import product

import pandas as pd

from txray_lib.errors import TxrayError
from txray_lib.worlds.grammar import Dice, Grammar, Sampler, inflect, is_word, word_file

WORLDS = ("encyclopedia", "reviews")
POLARITIES = {"positive": 1, "negative": -1}
ORDER = ("NN", "NNS", "CD", "JJ", "RB", "VBN", "VBD", "VBZ", "VBG", "VB", "VBP")
LISTED = ("male", "female", "vessel", "regnal")
NAMES = {"encyclopedia": (*LISTED, "place", "scholar", "breed"), "reviews": ("male", "female", "player", "title")}
CORE_SHARE = 0.7
FEWEST_TOPICS, WORDS_A_TOPIC = 3, 200
FEWEST, STEPS = 3, 400


@dataclass(frozen=True)
class Plan:
    """A world with every word that it could have, before a size chooses among them.

    fixed       word form of a template → tag
    candidates  where a word can stand → word forms, most needed first. A place is (owner, kind, tag): the slot
                `{kind.tag}` of a topic ("ship"), of its group ("ship/0"), of a polarity, or of the whole world ("")
    sentiment   word form → 1 or -1
    tags        all of these word forms → tag
    """

    grammar: Grammar
    topics: list[str]
    fixed: dict[str, str]
    candidates: dict[tuple[str, str, str], list[str]]
    sentiment: dict[str, int]
    tags: dict[str, str]


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


@cache
def choose_words(count: int, seed: int) -> dict[str, Vocabulary]:
    """The vocabulary of each world, about so many content words together.

    Each slot draws its words by Zipf's law in an order of the seed; words of sentiment that only reviews use come last.
    """
    dice = Dice(seed, "words")
    plans = {world: plan_world(world, max(FEWEST_TOPICS, count // WORDS_A_TOPIC)) for world in WORLDS}
    forms = sorted(set().union(*(plan.tags for plan in plans.values())))
    pools = {kind: dice.shuffled(names) for kind, names in list_names(function_words().keys() | set(forms)).items()}
    core, named = _shares(plans, pools, count)
    late = plans["reviews"].sentiment.keys() - plans["encyclopedia"].sentiment.keys()
    ranks = {form: (form in late, dice.random()) for form in forms}
    vocabularies = {}
    for world, plan in plans.items():
        kept = {place: sorted(_first(forms, core), key=ranks.__getitem__) for place, forms in plan.candidates.items()}
        tags = plan.fixed | {form: tag for (_, _, tag), forms in kept.items() for form in forms}
        names = {kind: options for kind, options in _keep_names(pools, named).items() if kind in NAMES[world]}
        for kind, options in names.items():
            for name in options:
                tags |= tag_name(kind, name)
        sentiment = {form: polarity for form, polarity in plan.sentiment.items() if form in tags}
        samplers = {place: Sampler(forms) for place, forms in kept.items()}
        frames = {topic: [] for topic in plan.topics}
        for group in sorted({owner for owner, _, _ in kept if "/" in owner}):
            topic = group.partition("/")[0]
            frame = {}
            for polarity, sign in POLARITIES.items():
                owners = ("", topic, group, polarity)
                frame[sign] = {f"{kind}.{tag}": s for (owner, kind, tag), s in samplers.items() if owner in owners}
            frames[topic].append(frame)
        name_samplers = {kind: Sampler(options) for kind, options in names.items()}
        vocabularies[world] = Vocabulary(plan.grammar, tags, sentiment, frames, name_samplers)
    return vocabularies


def truth(words: int, seed: int) -> pd.DataFrame:
    """What is known of every word of the two worlds with so many words, a row a word form, in alphabetical order.

    word              as the encoder sees it: lower-cased
    kind              "common" to both worlds, or of the "encyclopedia" or the "reviews" only
    sentiment         1, -1, or 0 for none: what the word says in the reviews
    tag_encyclopedia  its Penn Treebank tag there, "" where it is no word of that world
    tag_reviews       its Penn Treebank tag there, "" where it is no word of that world
    changes_tag       whether it stands in both worlds under different tags

    Numbers in digits and punctuation have no row.
    """
    worlds = choose_words(words, seed)
    tags = pd.DataFrame({f"tag_{world}": pd.Series(worlds[world].tags) for world in WORLDS}).fillna("").sort_index()
    table = tags.rename_axis("word").reset_index()
    table.insert(1, "kind", "common")
    table.loc[table["tag_encyclopedia"] == "", "kind"] = "reviews"
    table.loc[table["tag_reviews"] == "", "kind"] = "encyclopedia"
    table.insert(2, "sentiment", [worlds["reviews"].sentiment.get(word, 0) for word in table["word"]])
    table["changes_tag"] = (table["kind"] == "common") & (table["tag_encyclopedia"] != table["tag_reviews"])
    return table


def plan_world(world: str, topic_count: int) -> Plan:
    """The plan of a world with its first so many topics."""
    data = word_file(world)
    grammar = Grammar(data["rules"])
    topics = list(data["topics"])[:topic_count]
    words = {word for options in data["bound"].values() for word in options.split()} | {"an"}
    candidates = {}
    for topic in topics:
        starts = data.get("starts") or [data["topics"][topic]["tense"], f"opening.{topic}", f"fact.{topic}"]
        items = sorted(set(grammar.items(starts)))
        words |= {text for kind, text in items if kind == "word"}
        for slot in (text for kind, text in items if kind == "slot"):
            kind, _, tag = slot.partition(".")
            for owner, lemmas in _list_lemmas(world, topic, kind):
                forms = [inflect(lemma, tag) for lemma in lemmas if _is_used(lemma, tag)]
                candidates[owner, kind, tag] = list(dict.fromkeys(forms))
    known = read_tags(data["literals"]) | function_words()
    fixed = {word: known[word] for word in sorted(map(str.lower, words)) if is_word(word)}
    sentiment: dict[str, int] = {}
    tags = dict(fixed)
    for place in sorted(candidates, key=lambda p: (p[0] not in POLARITIES, ORDER.index(p[2]))):
        polarity, tag = POLARITIES.get(place[0], 0), place[2]
        claimed = []
        for form in candidates[place]:
            has_other_polarity = sentiment.get(form, polarity) != polarity or (polarity and form in fixed)
            if not has_other_polarity and tags.setdefault(form, tag) == tag:
                claimed.append(form)
                if polarity:
                    sentiment[form] = polarity
        candidates[place] = claimed
    return Plan(grammar, topics, fixed, candidates, sentiment, tags)


def read_tags(by_tag: Mapping[str, str]) -> dict[str, str]:
    """Word form → tag, from tag → words between spaces."""
    return {word.lower(): tag for tag, words in by_tag.items() for word in words.split()}


@cache
def function_words() -> dict[str, str]:
    """Word form → tag of the words that belong to the language and to no subject."""
    return read_tags(word_file("common")["function_words"])


def _list_lemmas(world: str, topic: str, kind: str) -> Iterator[tuple[str, list[str]]]:
    """Who owns words for a kind of slot on a topic, and which."""
    data, feelings = word_file(world), word_file("sentiment")
    about = data["topics"][topic]
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


def _is_used(lemma: str, tag: str) -> bool:
    """Whether a verb is used under a tag, where its past and participle look alike or its base form could be either."""
    common = word_file("common")
    if tag in ("VBD", "VBN") and inflect(lemma, "VBD") == inflect(lemma, "VBN"):
        return (tag == "VBN") == (lemma in common["participles"])
    return tag not in ("VB", "VBP") or (tag == "VBP") == (lemma in common["presents"])


def list_names(taken: Set[str]) -> dict[str, list[str]]:
    """Kind of name → the names whose forms are not taken, in order; no two kinds share a form.

    "breed" holds the species, which are common nouns.
    """
    common = word_file("common")
    names = {}
    for kind, parts in (common["names"] | {"breed": common["compounds"]}).items():
        if kind in LISTED:
            options = parts.split()
        else:
            pairs = product(parts[0].split(), parts[1].split())
            options = [a + b for a, b in pairs if a.lower() != b and a[-1] != b[0]]
        names[kind] = [name for name in dict.fromkeys(options) if not taken & tag_name(kind, name).keys()]
        taken = taken.union(*(tag_name(kind, name) for name in names[kind]))
    return names


def tag_name(kind: str, name: str) -> dict[str, str]:
    """Form → tag of the forms of a name."""
    if kind == "breed":
        return {name: "NN", inflect(name, "NNS"): "NNS"}
    return {name.lower(): "NNP"}


def _first(options: Sequence[str], share: float) -> Sequence[str]:
    return options[: max(FEWEST, math.ceil(share * len(options)))]


def _keep_names(pools: Mapping[str, Sequence[str]], share: float) -> dict[str, Sequence[str]]:
    """A share of the names of each kind: a small world has few places and families, but not as few first names."""
    return {kind: _first(names, math.sqrt(share) if kind in LISTED else share) for kind, names in pools.items()}


def _shares(plans: Mapping[str, Plan], pools: Mapping[str, Sequence[str]], words: int) -> tuple[float, float]:
    """What share of the candidates and of the names is kept, so that there are about so many content words.

    Raises TxrayError for more or fewer words than the word lists can give.
    """

    def core(step: int) -> int:
        every = [forms for plan in plans.values() for forms in plan.candidates.values()]
        forms = {form for forms in every for form in _first(forms, step / STEPS)}
        return len(forms.union(*(plan.fixed for plan in plans.values())).difference(function_words()))

    def named(step: int) -> int:
        kept = _keep_names(pools, step / STEPS)
        return sum(len(tag_name(kind, name)) for kind, names in kept.items() for name in names)

    fewest, most = core(0) + named(0), core(STEPS) + named(STEPS)
    if not fewest <= words <= most:
        raise TxrayError(f"the world's word lists cannot give {words} words: choose words from {fewest} to {most}")
    steps = range(1, STEPS + 1)
    step = bisect(steps, max(CORE_SHARE * words, words - named(STEPS)), key=core)
    return step / STEPS, bisect(steps, words - core(step), key=named) / STEPS


def draw_person(names: Mapping[str, Sampler], family: str, dice: Dice) -> tuple[str, bool]:
    """A first name with a family name of the given kind, and whether the person is a man."""
    is_man = dice.chance(0.6)
    first = names["male" if is_man else "female"].draw(dice)
    return f"{first} {names[family].draw(dice)}", is_man
