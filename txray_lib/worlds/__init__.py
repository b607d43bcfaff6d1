"""Two text worlds whose truth is known: an encyclopedia to pretrain on, labelled reviews to transfer to.

A room of the computing half; may touch: errors, corpora. The text comes from a probabilistic grammar, with gold Penn
Treebank tags; in each world a lower-cased word has one tag, and `truth` tells it, with the word's world and sentiment.

    encyclopedia(tokens=400_000, words=4000, seed=1), truth(words=4000, seed=1)
    reviews({"train": 3000, "valid": 500, "test": 500}, words=4000, noise=0.3, seed=1)

`words` is about how many distinct content word forms both worlds have together, names included.
"""

from collections.abc import Mapping, Sequence

from txray_lib.corpora.documents import SPLITS, Corpus, Document
from txray_lib.worlds.grammar import Dice, Names, Sampler, finish, inflect, is_word, word_file
from txray_lib.worlds.vocabulary import Vocabulary, choose_words, draw_person, function_words, truth

__all__ = ["encyclopedia", "reviews", "truth"]

MARKS = {",": ",", ".": ".", "(": "-LRB-", ")": "-RRB-"}
HELD_OUT_SHARE = 0.05
FACT_SHARE = 0.3
TOPIC_WEIGHTS = (0.8, 0.15, 0.05)
TOPIC_EXPONENT = 0.7
PARAGRAPHS, SENTENCES = (3, 8), (3, 7)
SAME_START = 3
SHORTEST, LONGEST = 25, 90
VERDICT_SHARE = 0.72
PLOT_SHARE = 0.75
PAIR_SHARE = 0.6
DENIAL_SHARE = 0.25
DECK = 10
TRIES = 100
MOST_REVIEWS_OF_A_FILM = 30
MEAN_REVIEWS_OF_A_FILM = 8

Sentences = list[list[str]]
Film = tuple[str, Names]  # its genre, and the names its reviews share


def encyclopedia(tokens: int, words: int, seed: int, name: str = "encyclopedia") -> Corpus:
    """The encyclopedia: a document is a paragraph, a block an article; "train", "valid", "test" are 90, 5, 5 % of them.

    It ends with the paragraph that reaches `tokens`, over all splits, or with the third article where those are fewer.
    Every document has gold tags. The same sizes and seed give the same text, whether or not reviews are made.
    """
    vocabulary, dice = choose_words(words, seed)["encyclopedia"], Dice(seed, "encyclopedia")
    topics = Sampler(dice.shuffled(vocabulary.frames), exponent=TOPIC_EXPONENT)
    articles: list[list[Sentences]] = []
    left = tokens
    while left > 0 or len(articles) < len(SPLITS):
        article: list[Sentences] = []
        for paragraph in _write_article(vocabulary, topics, dice):
            article.append(paragraph)
            left -= sum(map(len, paragraph))
            if left <= 0:
                break
        articles.append(article)
    held_out = max(1, round(HELD_OUT_SHARE * len(articles)))
    order = dice.shuffled(range(len(articles)))
    numbers = {"valid": order[:held_out], "test": order[held_out : 2 * held_out], "train": order[2 * held_out :]}
    documents = []
    for split in SPLITS:
        for number in sorted(numbers[split]):
            for i, paragraph in enumerate(articles[number]):
                documents.append(make_document(f"{split}/article-{number:05d}", i, paragraph, vocabulary.tags))
    return Corpus(name, tuple(documents))


def _write_article(words: Vocabulary, topics: Sampler, dice: Dice) -> list[Sentences]:
    """The paragraphs of one article, on a mixture of topics, with names that come back in it."""
    drawn = [topics.draw(dice) for _ in TOPIC_WEIGHTS]
    mixture, names = Sampler(drawn, TOPIC_WEIGHTS), _name_article(words, drawn[0], dice)

    def write(about: str, before: Sentences) -> list[str]:
        """A sentence about the article's subject ("opening", "fact") or on one of its topics, no repetition."""
        while True:
            topic = drawn[0] if about else mixture.draw(dice)
            rule = f"{about}.{topic}" if about else word_file("encyclopedia")["topics"][topic]["tense"]
            frame = dice.pick(words.frames[topic])
            sentence = finish(words.grammar.expand(rule, frame[dice.pick((1, -1))], names, dice))
            if not repeats(sentence, before):
                return sentence
            about = ""

    paragraphs: list[Sentences] = []
    for number in range(dice.between(*PARAGRAPHS)):
        sentences = [write("opening", [])] if number == 0 else []
        for _ in range(dice.between(*SENTENCES)):
            sentences.append(write("fact" if dice.chance(FACT_SHARE) else "", sentences))
        paragraphs.append(sentences)
    return paragraphs


def repeats(sentence: Sequence[str], before: Sentences) -> bool:
    """Whether one of the sentences before starts in the same way."""
    return any(sentence[:SAME_START] == earlier[:SAME_START] for earlier in before)


def _name_article(words: Vocabulary, topic: str, dice: Dice) -> dict[str, list[str]]:
    names, bound = words.names, {name: options.split() for name, options in word_file("encyclopedia")["bound"].items()}
    full, is_man = draw_person(names, "scholar", dice)
    first, surname = full.split()
    if topic == "crown":
        full, surname = f"{first} {names['regnal'].draw(dice)}", first
    era = dice.between(1620, 1980)
    breed = names["breed"].draw(dice)
    return {
        "full": [full],
        "surname": [surname],
        "other": [draw_person(names, "scholar", dice)[0]],
        "he": [bound["he"][not is_man]],
        "his": [bound["his"][not is_man]],
        "child": [bound["child"][not is_man]],
        "place": [names["place"].draw(dice) for _ in range(3)],
        "far": [names["place"].draw(dice)],
        "subject": [names["place" if topic == "river" else "vessel"].draw(dice)],
        "breed": [breed],
        "breeds": [inflect(breed, "NNS")],
        "year": [str(era + dice.between(0, 40)) for _ in range(8)],
        "month": [dice.pick(bound["month"]) for _ in range(3)],
        "day": [str(dice.between(1, 28)) for _ in range(3)],
        "count": [str(dice.between(13, 10 ** dice.between(2, 3) - 1)) for _ in range(6)],
    }


def make_document(
    block: str, number: int, sentences: Sentences, tags: Mapping[str, str], label: int | None = None
) -> Document:
    """A document of sentences, with where they start and their tokens' gold tags, given the tags of lower-cased words."""
    starts, tokens, gold = [], [], []
    for sentence in sentences:
        starts.append(len(tokens))
        is_open = False
        for token in sentence:
            if token == '"':
                gold.append("''" if is_open else "``")
                is_open = not is_open
            else:
                gold.append(tags[token.lower()] if is_word(token) else MARKS.get(token, "CD"))
        tokens.extend(sentence)
    split = block.partition("/")[0]
    return Document(f"{block}/{number}", split, block, tuple(tokens), tuple(starts), label, gold=tuple(gold))


def reviews(counts: Mapping[str, int], words: int, noise: float, seed: int, name: str = "reviews") -> Corpus:
    """The reviews: a document is a review with its label, a block the reviews of one film, which share a split.

    Labels are balanced in each split and the reviews shuffled. A review has 25 to 90 tokens. A sentiment word contradicts
    the label with probability `size.noise`. Every document has gold tags. The same size and seed give the same text,
    whether or not the encyclopedia is made.
    """
    vocabulary, dice = choose_words(words, seed)["reviews"], Dice(seed, "reviews")
    critic = _Critic(vocabulary, dice, noise)
    documents = []
    for split in SPLITS:
        labels = dice.shuffled([0, 1] * (counts[split] // 2))
        places = []
        left, number = counts[split], 0
        while left:
            reviewed = min(left, MOST_REVIEWS_OF_A_FILM, dice.between(1, dice.between(1, 4 * MEAN_REVIEWS_OF_A_FILM)))
            film = critic.make_film()
            places += [(number, film, i) for i in range(reviewed)]
            left -= reviewed
            number += 1
        for label, (number, film, i) in zip(labels, dice.shuffled(places), strict=True):
            sentences = critic.write_review(film, label)
            documents.append(make_document(f"{split}/film-{number:04d}", i, sentences, vocabulary.tags, label))
    return Corpus(name, tuple(documents))


class _Critic:
    """Writes reviews whose sentiment words agree with the label but for a share."""

    def __init__(self, words: Vocabulary, dice: Dice, noise: float) -> None:
        self._words, self._dice, self._noise = words, dice, noise
        self._deck: list[int] = []
        self._titles: set[str] = set()
        self._genres = Sampler(dice.shuffled(words.frames), exponent=0.5)

    def make_film(self) -> Film:
        """A film with a title, a director, two actors and two characters."""
        dice, names = self._dice, self._words.names
        for _ in range(20):  # another title than any film before, if a few tries find one
            title = " ".join(names["title"].draw(dice) for _ in range(dice.between(1, 2)))
            if title not in self._titles:
                break
        self._titles.add(title)
        bound = {"title": [title], "quoted": [f'" {title} "'], "director": [draw_person(names, "player", dice)[0]]}
        for actor, role in (("star", "hero"), ("rival", "villain")):
            full, is_man = draw_person(names, "player", dice)
            character = full.split()[0]
            while character == full.split()[0]:
                character = names["male" if is_man else "female"].draw(dice)
            bound |= {actor: [full], role: [character]}
            if role == "hero":
                bound |= {name: [forms.split()[not is_man]] for name, forms in word_file("reviews")["bound"].items()}
        bound["year"] = [str(dice.between(1950, 2010))]
        bound["count"] = [str(dice.between(70, 190))]
        return self._genres.draw(dice), bound

    def write_review(self, film: Film, label: int) -> Sentences:
        """The sentences of one review."""
        sign = 1 if label else -1
        self._deck.clear()
        length = self._dice.between(SHORTEST + 15, LONGEST - 3)
        closing = self._write_sentence("closing", film, sign)
        sentences = [self._write_sentence("opening", film, sign)]
        for _ in range(TRIES):
            taken = sum(map(len, sentences)) + len(closing)
            if taken >= length:
                break
            if self._dice.chance(VERDICT_SHARE):
                sentence = self._write_verdicts(film, sign)
            else:
                sentence = self._write_sentence("plot" if self._dice.chance(PLOT_SHARE) else "filler", film, sign)
            if taken + len(sentence) <= LONGEST and not repeats(sentence, sentences):
                sentences.append(sentence)
        return [*sentences, closing]

    def _write_sentence(self, rule: str, film: Film, sign: int) -> list[str]:
        return finish(self._write_clause(rule, film, self._draw_polarity(sign)))

    def _write_verdicts(self, film: Film, sign: int) -> list[str]:
        """One verdict, or two: joined by "and" where they say the same, else by "but" and its like."""
        first, says = self._write_verdict(film, sign)
        if not self._dice.chance(PAIR_SHARE):
            return finish([*first, "."])
        for _ in range(6):  # the second one is on something else, if a few tries find that
            second, says_then = self._write_verdict(film, sign)
            if set(first) & set(second) <= function_words().keys():
                break
        joint = self._write_clause("agreeing" if says == says_then else "opposing", film, sign)
        return finish([*first, ",", *joint, *second, "."])

    def _write_verdict(self, film: Film, sign: int) -> tuple[list[str], int]:
        """A clause of judgement and what it says: a word that contradicts the label may stand denied."""
        polarity = self._draw_polarity(sign)
        if polarity != sign and self._dice.chance(DENIAL_SHARE):
            return self._write_clause("denial", film, polarity), sign
        return self._write_clause("verdict", film, polarity), polarity

    def _draw_polarity(self, sign: int) -> int:
        """The polarity of the next clause's words, dealt from a deck, so that no review strays far from the share."""
        if not self._deck:
            contradicting = int(DECK * self._noise + self._dice.random())
            self._deck = self._dice.shuffled([-1] * contradicting + [1] * (DECK - contradicting))
        return sign * self._deck.pop()

    def _write_clause(self, rule: str, film: Film, polarity: int) -> list[str]:
        genre, names = film
        frame = self._dice.pick(self._words.frames[genre])
        return self._words.grammar.expand(rule, frame[polarity], names, self._dice)
