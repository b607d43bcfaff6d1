"""The conventions of WikiText-2, by hand; what no text may break, by hypothesis."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from txray_lib.corpora.tokenise import cut_passages, sentence_starts, tokenise_like_wikitext

BY_HAND = [
    ("I didn't like it.", "I didn 't like it ."),
    ("It's Bob's and I'm sure we'll, they've, DON'T", "It 's Bob 's and I 'm sure we 'll , they 've , DON 'T"),
    ("I cannot", "I cannot"),
    ("It isn\u2019t \u201cgood\u201d", 'It isn \'t " good "'),
    ("the films' plots", "the films ' plots"),
    ("a 'very good' film", "a ' very good ' film"),
    ("O'Brien and d'Artagnan", "O 'Brien and d 'Artagnan"),
    ("well-known, low-budget-film", "well @-@ known , low @-@ budget @-@ film"),
    ("1,234,567 and 3.5 of 10/10", "1 @,@ 234 @,@ 567 and 3 @.@ 5 of 10 / 10"),
    ("Mr. Smith met Dr. Jones in the U.S. at 5 a.m. today.", "Mr. Smith met Dr. Jones in the U.S. at 5 a.m. today ."),
    ("J. K. Rowling and I. So am I.", "J. K. Rowling and I . So am I ."),
    ("No. 5? No. Jr. said; Smith, Jr.", "No. 5 ? No . Jr. said ; Smith , Jr ."),
    ("see imdb.com or www.imdb.com.", "see imdb.com or www.imdb.com ."),
    ("the end.The next", "the end . The next"),
    ("Wait.... what..", "Wait ... what ..."),
    ("Really?!! (yes) [no] $5 50% R&B", "Really ? ! ! ( yes ) [ no ] $ 5 50 % R & B"),
    ("a--b -- c \u2013 d", "a – b – c – d"),
    ("one<br /><br />two<i>three</i>", "one two three"),
    ("a &lt; b &amp; c&nbsp;d &#39;", "a < b & c d '"),
    ("A &amp;lt;i&amp;gt; B &amp;amp;amp; C &#38;#38;eacute; D&amp;#x26;nbsp;E", "A B & C é D E"),
    ("&amp; &amp;amp;; &amp;unknown; &;", "& & ; & unknown ; & ;"),
    ("1 < 2 and <sigh>", "1 < 2 and < sigh >"),
    ("i<a and j>k", "i < a and j > k"),
    ("std::vector<a> <p q r>", "std : : vector < a > < p q r >"),
    ("x <b y=2 z> w", "x < b y = 2 z > w"),
    ("a <a href=\"x.html\" class='y'>link</a> and <font color = red>red</font >", "a link and red"),
    ("<P><LI>one</li><hr size=1/></a></br>", "one"),
    ("a \x93quote\x94 \x96 it\x92s\x85", 'a " quote " – it \'s ...'),
    ("<unk> @-@ @,@", "<unk> @-@ @,@"),
    ("the '90s, a .45 in 5'11", "the ' 90s , a .45 in 5 ' 11"),
    ("so " + "o" * 10_000 + "!", "so " + "o" * 10_000 + " !"),
    ("  \n\t ", ""),
]


@pytest.mark.parametrize(("text", "tokens"), BY_HAND)
def test_conventions(text, tokens):
    assert tokenise_like_wikitext(text) == tokens.split()


WORDS = "a b I x D o O 5 12 Mr Mr. No. U.S. e.g. L.A Jr. Inc. don't 's 't 've imdb.com www.imdb.com .5 <br/> <i> <a x=y> <b =\"> &amp;"
MARKS = "' '' \" `` ` . .. ... , - -- @ @-@ @,@ < > & ; _ ! ? : / ( ) é İ ß 大 \u2026 \u2014 \u2019 \u0301"
SPACES = [" ", " ", "  ", "\n", "\x1c", "\x85", "\x92", "\xa0", "\u200b", "\u2028"]
PIECES = st.sampled_from([*WORDS.split(" "), *MARKS.split(" "), *SPACES])
TEXTS = st.one_of(st.lists(PIECES, max_size=30).map("".join), st.text(max_size=60))


@given(TEXTS)
@example("don't5")
@example("<a's>")
def test_tokens_have_no_white_space_and_joined_are_cut_the_same_again(text):
    once = tokenise_like_wikitext(text)
    assert all(token.split() == [token] for token in once)
    assert tokenise_like_wikitext(" ".join(once)) == once


PLAIN = st.sampled_from([*"abcIDOM12 ',.!?()-:;é大", "Mr.", "U.S.", "don't", "imdb.com"])


@given(st.lists(PLAIN, max_size=40).map("".join))
def test_no_character_is_lost(text):
    text = re.sub(r"([.'-])\1+", r"\1", text)
    joined = "".join(re.sub(r"^@(.)@$", r"\1", token) for token in tokenise_like_wikitext(text))
    assert joined == "".join(text.split())


HOSTILE = [*"'<&-", "<a ", "<a x=", "<b x='", "<a x=y ", "&amp;", "a.", "aa.", "a'", "aa'a", "<br ", "Jr. ", "1,"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_no_quadratic_time(piece):
    text = piece * 10_000 + "<br" + " " * 20_000 + "<a" + " x=y" * 10_000
    started = time.process_time()
    tokens = tokenise_like_wikitext(text)
    assert time.process_time() - started < 1
    assert tokens == tokenise_like_wikitext(" ".join(tokens))


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("", ()),
        ("no end here", (0,)),
        ("He left . She stayed .", (0, 3)),
        ("What ? ! No .", (0, 3)),
        ('" Go . " He went .', (0, 4)),
        ('He left . " Come " she said .', (0, 3)),
        ("( He left . ) She stayed", (0, 5)),
        ("tools , etc . , were sent", (0,)),
        ("wait ... what ... No", (0, 4)),
        ("etc ... . So", (0, 3)),
    ],
)
def test_sentence_starts(text, starts):
    assert sentence_starts(text.split()) == starts
    assert cut_passages(["One. Two", "", "three"]) == (("One", ".", "Two", "three"), (0, 2, 3))
