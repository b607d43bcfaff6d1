"""Words, numbers and tables for a page: small pieces that notebooks display. May touch: errors, preferences, results.

Whatever comes from a corpus is escaped here, so that a token can never become markup.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.preferences import distributions
from txray_lib.results import NEURON, Results

MAX_LETTERS = 40
LEVEL = 0.05
"""The largest p or q at which something is said to exceed chance, where a page asks for no other."""


def escape(text: str) -> str:
    """Text that Markdown and HTML show as it is: every sign that could mean something becomes a character reference."""
    return "".join(sign if sign.isalnum() or sign == " " else f"&#{ord(sign)};" for sign in shorten(text))


def shorten(text: str) -> str:
    """At most 40 letters of a token."""
    return text if len(text) <= MAX_LETTERS else f"{text[: MAX_LETTERS - 1]}…"


def quoted(tokens: Iterable[str]) -> str:
    """Tokens in quotation marks, with commas between, escaped."""
    return ", ".join(f"“{escape(token)}”" for token in tokens) or "nothing"


def listed(parts: Iterable[object]) -> str:
    """ "a", "a and b", "a, b and c"; "none" of nothing"""
    *most, last = [str(part) for part in parts] or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


def arrow(comparison: str) -> str:
    """ "a → b" of "a:b" """
    return comparison.replace(":", " → ")


def paragraph(*sentences: str) -> Markdown:
    """Sentences as one Markdown paragraph; empty ones are left out."""
    return Markdown(" ".join(sentence for sentence in sentences if sentence))


def count(number: float) -> str:
    """12,345"""
    return f"{number:,.0f}"


def distance(number: float) -> str:
    """A distance to two digits, or as many as show that it is not 0 or 1; "none" where there is none."""
    if math.isnan(number):
        return "none"
    if 0 < number < 0.005:
        return f"{number:.1g}"
    return "more than 0.99" if 0.995 <= number < 1 else f"{number:.2f}"


def percent(share: float) -> str:
    """0.1234 as "12.3 %" """
    return "not defined" if math.isnan(share) else f"{100 * share:.1f} %".replace("-", "−")


def signed(share: float) -> str:
    """0.012 as "+1.2 %" """
    return "not defined" if math.isnan(share) else f"{100 * share:+.1f} %".replace("-", "−")


def compared(before: float, after: float) -> str:
    """How `after` stands to `before`: "12.3 % less", "4.0 % more", "the same"."""
    if math.isnan(before) or math.isnan(after) or before == 0:
        return "not comparable"
    if after == before:
        return "the same"
    share = after / before - 1
    size = percent(abs(share)) if abs(share) >= 0.0005 else "less than 0.1 %"
    return f"{size} {'more' if share > 0 else 'less'}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """ "1 neuron", "2 neurons" """
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def table(frame: pd.DataFrame, caption: str, words: Sequence[str] = ()) -> HTML:
    """A table as HTML, every cell escaped; on a page of the book a click on a column's name sorts it.

    words  columns that hold text, aligned left; a cell that is a tuple holds tokens, each shown in a box of its own
    """
    tokens = {column for column in frame.columns if frame[column].map(lambda value: isinstance(value, tuple)).any()}

    def cell(value: object, column: str, opening: str = "td") -> str:
        kind = ' class="words"' if column in words or column in tokens else ""
        return (
            f"<{opening}{kind}>{_boxed(value) if isinstance(value, tuple) else html.escape(str(value))}</{opening[:2]}>"
        )

    head = "".join(cell(str(column), column, 'th scope="col"') for column in frame.columns)
    rows = (zip(frame.columns, row, strict=True) for row in frame.itertuples(index=False, name=None))
    body = "".join("<tr>" + "".join(cell(value, column) for column, value in row) + "</tr>" for row in rows)
    name = html.escape(caption, quote=True)
    return HTML(
        f'<div class="txray-scroll" role="region" tabindex="0" aria-label="{name}"><table class="txray-table">'
        f"<caption><span>{name}</span></caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _boxed(tokens: tuple[object, ...]) -> str:
    """Tokens one by one, so that a comma that is a token is not taken for one between tokens."""
    return " ".join(f'<span class="txray-token">{html.escape(shorten(str(token)))}</span>' for token in tokens)


def provenance(results: Results) -> HTML:
    """The line under a figure: where its numbers come from."""
    source = results.provenance
    corpora = ", ".join(f"{name} {digest[:12]}" for name, digest in source["corpora"].items())
    how = "computed live in this checkout" if results.origin == "live" else "frozen tables of an earlier run"
    weights = source.get("weights", source["commit"])
    trained = f" (weights {short_commit(weights)})" if weights != source["commit"] else ""
    when = f"commit {short_commit(source['commit'])}{trained}, {source['created'][:10]}"
    seeds = source["seed"] if isinstance(source["seed"], list) else [source["seed"]]
    seed = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    line = f"Source: profile {results.profile} ({how}), {seed}, corpora {corpora}, {when}."
    return HTML(f'<p class="txray-provenance">{html.escape(line)}</p>')


def sources(runs: Iterable[Results]) -> HTML:
    """The line under a figure of several runs: profile, origin, seed, commit and corpora of each."""
    said = []
    for run in runs:
        source = run.provenance
        corpora = ", ".join(f"{name} {digest[:12]}" for name, digest in source["corpora"].items())
        said.append(
            f"{run.profile} ({run.origin}, seed {source['seed']}, {corpora}, commit {short_commit(source['commit'])})"
        )
    return HTML(f'<p class="txray-provenance">{html.escape(f"Sources: profiles {listed(said)}.")}</p>')


def short_commit(commit: str) -> str:
    """Twelve digits of a commit, and the mark of changes that no commit holds."""
    digits, plus, changes = commit.partition("+")
    return f"{digits[:12]}{plus}{changes}"


def top_tokens(
    results: Results, stages: Iterable[str], number: int
) -> dict[str, dict[tuple[int, int], tuple[str, ...]]]:
    """For each stage, the `number` most probable tokens of every neuron by (layer, neuron)."""
    return {stage: _best(results.preferences(stage), number) for stage in stages}


def _best(preferences: pd.DataFrame, number: int) -> dict[tuple[int, int], tuple[str, ...]]:
    ordered = distributions(preferences).sort_values([*NEURON, "p"], ascending=[True, True, False], kind="stable")
    best = ordered.groupby(NEURON, observed=True).head(number)
    words = best["feature"].astype(str).map(shorten)
    return words.groupby([best["layer"].astype(int), best["neuron"].astype(int)]).agg(tuple).to_dict()
