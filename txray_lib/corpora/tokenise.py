"""Raw English cut into tokens as WikiText-2 has them, so that one vocabulary serves both corpora. May touch: nothing.

WikiText-2 was cut by the Moses tokeniser (Koehn et al. 2007) with split hyphens. Its conventions, read off its text:

- a clitic keeps its apostrophe: `didn 't`, `Bob 's`, `I 'm`; so does the rest of a name: `O 'Brien`, `d 'état`;
- a hyphen inside a word is `@-@`, a comma or point between digits `@,@` or `@.@`;
- every other mark stands alone, `! !` and `and / or` included; `...` is one token;
- titles, initials and acronyms keep their dot (`Mr.`, `J.`, `U.S.`), `No.` before a number only;
- quotes are straight. A dash that reviewers type as `--` is set as `–`.

Beyond them, a letter keeps its accents, in one spelling (Unicode NFC) however it was typed, and formats that nobody sees
(directions, variation selectors, soft hyphens) are no tokens.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from html import unescape
from itertools import chain

_BREAK = re.compile(r"</?(?:br|p|hr)\s*+/?\s*+>", re.IGNORECASE)
"""The tags at which a line, and so a sentence, ends."""

_NAMES = "br|p|hr|b|i|u|s|em|strong|font|span|div|spoilers?|blockquote|ul|ol|li|sub|sup|center|h[1-6]"
_ATTRIBUTE = r"""\s++[\w:.-]++\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>]++)"""
_TAG = re.compile(
    rf"<(?:/?(?:{_NAMES})\s*+/?+\s*+|/a\s*+|(?:{_NAMES}|a)(?:{_ATTRIBUTE})++\s*+/?+)>",
    re.IGNORECASE,
)
"""A name alone, a closing tag, or a name with attributes that have values; what else stands between < and > is text. So is
`<a>`, which is no link without an attribute."""
_ENTITY = re.compile(r"&(?:(?:amp|AMP|#38|#[xX]26);)*(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});")

_FORMATS = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
"""Joiners, soft hyphens, directions, variation selectors, fillers, tags: characters that say how others are shown."""
_FORMAT = re.compile(f"[{_FORMATS}]")
UNSEEN = re.compile(rf"[\x00-\x08\x0e-\x1b\x7f{_FORMATS}]")
"""Marks that nobody sees: these and control characters. Whoever reads a user's text takes them out, and tells how many."""
_ACCENTS = r"\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"

_PLAIN_FORM = {
    **{ord(c): "'" for c in "‘’‚‛′`´ʼ＇\u1fef\u1ffd"},
    **{ord(c): '"' for c in "“”„‟″«»＂"},
    **{ord(c): "-" for c in "‐‑﹣－"},
    ord("…"): "...",
}
_WINDOWS = {code: bytes([code]).decode("cp1252", errors="replace") for code in range(0x80, 0xA0)}
"""What the control characters 0x80 to 0x9f are when they were typed on Windows: quotes, dashes, the euro sign."""
_CHARACTERS = {code: form.translate(_PLAIN_FORM) for code, form in _WINDOWS.items()} | _PLAIN_FORM

_RUNS = (
    (re.compile(r"''+|``+"), '"'),
    (re.compile(r"--+"), " – "),
    (re.compile(r"\.\.+"), " ... "),
    (re.compile(r"(?<=[^\W_])-(?=[^\W_])"), " @-@ "),
    (re.compile(r"(?<=\d)([,.])(?=\d)"), r" @\1@ "),
)

_TITLES = "Mr|Mrs|Ms|Dr|Prof|St|Lt|Col|Gen|Sgt|Capt|Maj|Cmdr|Rev|Hon|Gov|Sen|Rep|Messrs|Mme|Sr|Bros|vs|pp|Ph\\.D"
_LETTER = rf"(?:[^\W_][{_ACCENTS}]*+)"
_CLITIC = r"'(?:s|t|m|re|ve|ll|d)(?![^\W_])"
_TOKEN = re.compile(
    rf"""
      [A-Za-z]{{2,}}(?=[ ,!?])                                         # most tokens end here, cheaply
    | @[-,.]@ | <unk> | \.\.\.
    | (?<![^\W_])(?:
          (?:{_TITLES})\.
        | (?:No|Nos|Op)\.(?=\s*\d)
        | (?:Jr|Inc|Ltd|Co|al)\.(?=\s+[a-z])
        | (?:[^\W\d_]\.){{2,}}                                         # U.S.   e.g.
        | (?:[^\W\d_]\.)+[^\W\d_](?![^\W_])                            # L.A
        | [A-HJ-Z]\.(?![^\W_]) | I\.(?=\s*[A-Z]\.)                     # initials
        | (?:[^\W_]+\.){{1,4}}(?:com|net|org|edu|gov)(?![^\W_])          # www.imdb.com
        | (?<!\.)\.\d+(?![^\W_])                                       # .45
      )
    | (?i:{_CLITIC})
    | (?<=(?<![^\W_])[OoDdLlCcYy])'[^\W\d_]+                           # O 'Brien
    | (?<=(?<![^\W_])[OoDdLlCcYy][ ])'[^\W\d_]+
    | {_LETTER}{{2,}}(?:(?!(?i:{_CLITIC}))'[^\W\d_]++(?!\d))*           # ma'am
    | {_LETTER}
    | \S
    """,
    re.VERBOSE,
)

_DOTS = frozenset(("...", "...."))
_ENDS = _DOTS | {".", "!", "?"}
_CLOSERS = frozenset(("'", ")", "]", "''", "”", "’"))
_CONTINUERS = frozenset((",", ";", ":", "–", "—", "-", "/", "@-@", "%", "'s"))


def compose(text: str) -> str:
    """The text in the one spelling of its characters (Unicode NFC): é is one character, never an e and an accent."""
    return unicodedata.normalize("NFC", text)


def resolve_entities(text: str) -> str:
    """The text without entities, however often they were escaped (`&amp;lt;`, `&amp;amp;lt;`)."""
    return _ENTITY.sub(lambda match: unescape(f"&{match[1]};"), text)


def _plain(text: str) -> str:
    """The text without tags and entities, its quotes, dashes and dots set in one way, inner marks set apart."""
    text = _TAG.sub(" ", resolve_entities(text))
    if not text.isascii() or "`" in text:
        text = compose(_FORMAT.sub("", text.replace("``", '"').translate(_CHARACTERS)))
    for pattern, form in _RUNS:
        text = pattern.sub(form, text)
    return text


def tokenise_like_wikitext(text: str) -> list[str]:
    """The tokens of a raw English text, in its own case, by the conventions of WikiText-2.

    Nothing but white space, markup and marks that nobody sees is lost: a token's characters are the text's, save for the
    straight quotes, `...`, `–`, and the `@` of `@-@`, `@,@` and `@.@`. Tokens joined by spaces are cut into the same tokens again. A
    token of any length is kept whole.
    """
    return _TOKEN.findall(_plain(text))


def cut_passages(passages: Iterable[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The tokens of raw passages in turn, and the index of the first token of each sentence; a passage, or what follows one
    of the tags br, p and hr, starts one."""
    tokens: list[str] = []
    sentences: list[int] = []
    for passage in chain.from_iterable(_BREAK.split(resolve_entities(passage)) for passage in passages):
        cut = tokenise_like_wikitext(passage)
        sentences.extend(len(tokens) + start for start in sentence_starts(cut))
        tokens.extend(map(sys.intern, cut))
    return tuple(tokens), tuple(sentences)


def sentence_starts(tokens: Sequence[str]) -> tuple[int, ...]:
    """Where sentences start: at 0 and after each run of closing marks, with the brackets and quotes that close them.

    `"` closes only what it opened. No sentence starts with a mark that continues one, as in `etc . , and`; `...` and
    `....` end a sentence where a capital follows. No sentence starts in an empty text.
    """
    starts, ended, quoting = [0] if tokens else [], False, False
    for i, token in enumerate(tokens):
        if token in _ENDS:
            ended = True
        elif ended and not (token in _CLOSERS or (token == '"' and quoting)):
            if token not in _CONTINUERS and not (tokens[i - 1] in _DOTS and not token[:1].isupper()):
                starts.append(i)
            ended = False
        quoting ^= token == '"'
    return tuple(starts)
