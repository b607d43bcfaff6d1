"""The encyclopedia: articles of paragraphs, each article with its topics, persons and places.

Part of the room worlds; may touch: corpora, the other modules of worlds.
"""

from __future__ import annotations

from collections.abc import Sequence

from txray_lib.corpora.documents import Corpus, Document
from txray_lib.worlds.grammar import Dice, Name, Sampler, Scene, finish, tag_tokens
from txray_lib.worlds.plan import inflection, word_file
from txray_lib.worlds.size import SPLITS, WorldSize
from txray_lib.worlds.vocabulary import Vocabulary, person, single, stream, vocabulary

WORLD = "encyclopedia"
HELD_OUT_SHARE = 0.05
FACT_SHARE = 0.3
TOPIC_WEIGHTS = (0.8, 0.15, 0.05)
SAME_START = 3
TOPIC_EXPONENT = 0.7
PARAGRAPHS, SENTENCES = (3, 8), (3, 7)

Sentences = list[list[str]]


def encyclopedia(size: WorldSize, seed: int, name: str = WORLD) -> Corpus:
    """The encyclopedia: a document is a paragraph, a block an article; "train", "valid", "test" are 90, 5, 5 % of them.

    It ends with the paragraph that reaches `size.encyclopedia_tokens`, or with the third article where those are fewer.
    Every document has gold tags. The same size and seed give the same text, whether or not reviews are made.
    """
    words, dice = vocabulary(WORLD, size, seed), Dice(stream(seed, WORLD))
    topics = Sampler.zipf(dice.shuffled(words.frames), TOPIC_EXPONENT)
    articles: list[list[Sentences]] = []
    left = size.encyclopedia_tokens
    while left > 0 or len(articles) < len(SPLITS):
        article: list[Sentences] = []
        for paragraph in _Article(words, topics, dice).paragraphs():
            article.append(paragraph)
            left -= sum(map(len, paragraph))
            if left <= 0:
                break
        articles.append(article)
    return Corpus(name, tuple(_documents(articles, words, dice)))


class _Article:
    """One article: its mixture of topics and the names that come back in it."""

    def __init__(self, words: Vocabulary, topics: Sampler, dice: Dice) -> None:
        self._words, self._dice = words, dice
        self._topics = [topics.draw(dice) for _ in TOPIC_WEIGHTS]
        self._mixture = Sampler(self._topics, TOPIC_WEIGHTS)
        self._names = _bind_names(words, self._topics[0], dice)

    def paragraphs(self) -> list[Sentences]:
        dice = self._dice
        made: list[Sentences] = []
        for i in range(dice.between(*PARAGRAPHS)):
            sentences = [self._sentence("opening", [])] if i == 0 else []
            for _ in range(dice.between(*SENTENCES)):
                sentences.append(self._sentence("fact" if dice.chance(FACT_SHARE) else "", sentences))
            made.append(sentences)
        return made

    def _sentence(self, about: str, before: Sentences) -> list[str]:
        """A sentence about the article's subject ("opening", "fact") or on one of its topics, no repetition."""
        while True:
            topic = self._topics[0] if about else self._mixture.draw(self._dice)
            rule = f"{about}.{topic}" if about else word_file(WORLD)["topics"][topic]["tense"]
            frame = self._dice.pick(self._words.frames[topic])
            scene = Scene(frame[self._dice.pick((1, -1))], self._names, self._dice)
            sentence = finish(self._words.grammar.expand(rule, scene))
            if not repeats(sentence, before):
                return sentence
            about = ""


def repeats(sentence: Sequence[str], before: Sentences) -> bool:
    """Whether one of the sentences before starts in the same way."""
    return any(sentence[:SAME_START] == earlier[:SAME_START] for earlier in before)


def _bind_names(words: Vocabulary, topic: str, dice: Dice) -> dict[str, Sequence[Name]]:
    names, bound = words.names, {name: options.split() for name, options in word_file(WORLD)["bound"].items()}
    full, is_man = person(names, "scholar", dice)
    if topic == "crown":
        full = (full[0], names["regnal"].draw(dice))
    era = dice.between(1620, 1980)
    breed = names["breed"].draw(dice)
    return {
        "full": [full],
        "surname": [full[:1] if topic == "crown" else full[1:]],
        "other": [person(names, "scholar", dice)[0]],
        "he": [(bound["he"][not is_man],)],
        "his": [(bound["his"][not is_man],)],
        "child": [(bound["child"][not is_man],)],
        "place": single(names["place"].draw(dice) for _ in range(3)),
        "far": single([names["place"].draw(dice)]),
        "subject": [(names["place" if topic == "river" else "vessel"].draw(dice),)],
        "breed": [(breed,)],
        "breeds": [(inflection().form(breed, "NNS"),)],
        "year": single(str(era + dice.between(0, 40)) for _ in range(8)),
        "month": single(dice.pick(bound["month"]) for _ in range(3)),
        "day": single(str(dice.between(1, 28)) for _ in range(3)),
        "count": single(str(dice.between(13, 10 ** dice.between(2, 3) - 1)) for _ in range(6)),
    }


def _documents(articles: list[list[Sentences]], words: Vocabulary, dice: Dice) -> list[Document]:
    held_out = max(1, round(HELD_OUT_SHARE * len(articles)))
    order = dice.shuffled(range(len(articles)))
    split_of = dict.fromkeys(order, "train") | dict.fromkeys(order[:held_out], "valid")
    split_of |= dict.fromkeys(order[held_out : 2 * held_out], "test")
    made = []
    for split in SPLITS:
        for number in (i for i in range(len(articles)) if split_of[i] == split):
            block = f"{split}/article-{number:05d}"
            for i, paragraph in enumerate(articles[number]):
                made.append(make_document(f"{block}/{i}", split, block, paragraph, words))
    return made


def make_document(
    name: str, split: str, block: str, sentences: Sentences, words: Vocabulary, label: int | None = None
) -> Document:
    """A document of sentences, with where they start and what their tokens' tags are."""
    starts, tokens, tags = [], [], []
    for sentence in sentences:
        starts.append(len(tokens))
        tokens.extend(sentence)
        tags.extend(tag_tokens(sentence, words.tags))
    return Document(name, split, block, tuple(tokens), tuple(starts), label, gold=tuple(tags))
