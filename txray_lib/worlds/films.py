"""The reviews: films with their persons, and what reviewers say of them.

Part of the room worlds; may touch: corpora, the other modules of worlds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from txray_lib.corpora.documents import Corpus, Document
from txray_lib.worlds.articles import Sentences, make_document, repeats
from txray_lib.worlds.grammar import Dice, Name, Sampler, Scene, finish
from txray_lib.worlds.plan import function_words, word_file
from txray_lib.worlds.size import SPLITS, WorldSize
from txray_lib.worlds.vocabulary import Vocabulary, person, single, stream, vocabulary

WORLD = "reviews"
SHORTEST, LONGEST = 25, 90
VERDICT_SHARE = 0.72
PLOT_SHARE = 0.75
PAIR_SHARE = 0.6
DENIAL_SHARE = 0.25
DECK = 10
TRIES = 100
MOST_REVIEWS_OF_A_FILM = 30
MEAN_REVIEWS_OF_A_FILM = 8


@dataclass(frozen=True)
class Film:
    """A film: its genre, and the names its reviews share."""

    genre: str
    names: Mapping[str, Sequence[Name]]


def reviews(size: WorldSize, seed: int, name: str = WORLD) -> Corpus:
    """The reviews: a document is a review with its label, a block the reviews of one film, which share a split.

    Labels are balanced in each split and the reviews shuffled. A review has 25 to 90 tokens. A sentiment word contradicts
    the label with probability `size.noise`. Every document has gold tags. The same size and seed give the same text,
    whether or not the encyclopedia is made.
    """
    words, dice = vocabulary(WORLD, size, seed), Dice(stream(seed, WORLD))
    critic = _Critic(words, dice, size.noise)
    return Corpus(name, tuple(d for split in SPLITS for d in _split(split, size.reviews[split], critic)))


def _split(split: str, count: int, critic: _Critic) -> Iterator[Document]:
    dice = critic.dice
    labels = dice.shuffled([0, 1] * (count // 2))
    places = dice.shuffled([(film, i) for film, reviewed in _films(count, critic) for i in range(reviewed)])
    for label, ((number, film), i) in zip(labels, places, strict=True):
        block = f"{split}/film-{number:04d}"
        yield make_document(f"{block}/{i}", split, block, critic.review(film, label), critic.words, label)


def _films(count: int, critic: _Critic) -> Iterator[tuple[tuple[int, Film], int]]:
    """Films with their numbers and how many reviews each has, which sum to a count."""
    dice, number = critic.dice, 0
    while count:
        reviewed = min(count, MOST_REVIEWS_OF_A_FILM, dice.between(1, dice.between(1, 4 * MEAN_REVIEWS_OF_A_FILM)))
        yield (number, critic.film()), reviewed
        count -= reviewed
        number += 1


class _Critic:
    """Writes reviews whose sentiment words agree with the label but for a share."""

    def __init__(self, words: Vocabulary, dice: Dice, noise: float) -> None:
        self.words, self.dice, self._noise = words, dice, noise
        self._deck: list[int] = []
        self._titles: set[Name] = set()
        self._genres = Sampler.zipf(dice.shuffled(words.frames), 0.5)

    def film(self) -> Film:
        """A film with a title, a director, two actors and two characters."""
        dice, names = self.dice, self.words.names
        title = self._new_title()
        bound = {"title": [title], "quoted": [('"', *title, '"')], "director": [person(names, "player", dice)[0]]}
        for actor, role in (("star", "hero"), ("rival", "villain")):
            full, is_man = person(names, "player", dice)
            bound |= {actor: [full], role: single([_unlike(full[0], names["male" if is_man else "female"], dice)])}
            if role == "hero":
                bound |= {
                    name: single([options.split()[not is_man]]) for name, options in word_file(WORLD)["bound"].items()
                }
        bound["year"] = single([str(dice.between(1950, 2010))])
        bound["count"] = single([str(dice.between(70, 190))])
        return Film(self._genres.draw(dice), bound)

    def _new_title(self) -> Name:
        """A title of one or two words that no earlier film has, if a few tries find one."""
        for _ in range(20):
            title = tuple(self.words.names["title"].draw(self.dice) for _ in range(self.dice.between(1, 2)))
            if title not in self._titles:
                break
        self._titles.add(title)
        return title

    def review(self, film: Film, label: int) -> Sentences:
        """The sentences of one review."""
        sign = 1 if label else -1
        self._deck.clear()
        length = self.dice.between(SHORTEST + 15, LONGEST - 3)
        closing = self._sentence("closing", film, sign)
        sentences = [self._sentence("opening", film, sign)]
        for _ in range(TRIES):
            taken = sum(map(len, sentences)) + len(closing)
            if taken >= length:
                break
            sentence = self._next(film, sign)
            if taken + len(sentence) <= LONGEST and not repeats(sentence, sentences):
                sentences.append(sentence)
        return [*sentences, closing]

    def _next(self, film: Film, sign: int) -> list[str]:
        if self.dice.chance(VERDICT_SHARE):
            return self._verdicts(film, sign)
        return self._sentence("plot" if self.dice.chance(PLOT_SHARE) else "filler", film, sign)

    def _sentence(self, rule: str, film: Film, sign: int) -> list[str]:
        return finish(self._clause(rule, film, self._polarity(sign)))

    def _verdicts(self, film: Film, sign: int) -> list[str]:
        """One verdict, or two: joined by "and" where they say the same, else by "but" and its like."""
        first, says = self._verdict(film, sign)
        if not self.dice.chance(PAIR_SHARE):
            return finish([*first, "."])
        second, says_then = self._other_verdict(film, sign, first)
        joint = self._clause("agreeing" if says == says_then else "opposing", film, sign)
        return finish([*first, ",", *joint, *second, "."])

    def _verdict(self, film: Film, sign: int) -> tuple[list[str], int]:
        """A clause of judgement and what it says: a word that contradicts the label may stand denied."""
        polarity = self._polarity(sign)
        if polarity != sign and self.dice.chance(DENIAL_SHARE):
            return self._clause("denial", film, polarity), sign
        return self._clause("verdict", film, polarity), polarity

    def _other_verdict(self, film: Film, sign: int, first: Sequence[str]) -> tuple[list[str], int]:
        """A verdict on something else than the first one, if a few tries find one."""
        for _ in range(6):
            clause, says = self._verdict(film, sign)
            if set(first) & set(clause) <= function_words().keys():
                break
        return clause, says

    def _polarity(self, sign: int) -> int:
        """The polarity of the next clause's words, dealt from a deck, so that no review strays far from the share."""
        if not self._deck:
            contradicting = int(DECK * self._noise + self.dice.random())
            self._deck = self.dice.shuffled([-1] * contradicting + [1] * (DECK - contradicting))
        return sign * self._deck.pop()

    def _clause(self, rule: str, film: Film, polarity: int) -> list[str]:
        frame = self.dice.pick(self.words.frames[film.genre])
        return self.words.grammar.expand(rule, Scene(frame[polarity], film.names, self.dice))


def _unlike(name: str, names: Sampler, dice: Dice) -> str:
    """Another name than the given one."""
    while (other := names.draw(dice)) == name:
        pass
    return other
