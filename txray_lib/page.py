"""What a page needs that pandas and Altair do not give: a table, a figure, a sentence, a verdict, a source.

Everything a page *says* stands in its own cells. This room only makes it fit to be printed: it escapes what comes from a
corpus, gives every figure its alt text and the colours of its stages, and knows nothing of any question. Importing it makes
charts render offline. May touch: audit, figures.theme, results.
"""

import html
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Number
from typing import Any

import altair as alt
import pandas as pd
from IPython.display import HTML, Markdown, display

from txray_lib.figures.theme import ROLES, enable, finish
from txray_lib.results import Results

CHIPS = {
    "reproduced": "yes",
    "same direction": "likely",
    "inconclusive": "open",
    "contradicted": "no",
    "impossible as stated": "no",
}
"""The class of a verdict's chip, which gives its colour; others are grey."""
UNDEFINED = re.compile(r"(?<![“\w])[+−-]?nan(?: ?%)?(?![\w”])")
MAX_LETTERS = 40
TEXT = '<td class="words">'
LONG = 12
"""A table of more rows than this can be searched, sorted and saved by a reader."""
FORMATS = {
    "neurons": ".1%",
    "share": ".1%",
    "change": "+.1%",
    "distance": ".3f",
    "correlation": "+.3f",
}

enable()


def show(frame: pd.DataFrame, caption: str, formats: Mapping[str, str] | None = None, digits: int = 3) -> None:
    """A table with a caption, every cell escaped.

    formats  how a column of numbers is written, as {"change": "+.1%"}; others show whole numbers whole and `digits` that count
    A tuple of tokens becomes a row of boxes, a column "verdict" chips with the column "why" below them; what is missing is a
    dash. On a narrow screen a row with a verdict is a card, each of its cells under the other with its column's name.
    """
    formats, heads, columns = formats or {}, "", []
    cards = "verdict" in frame
    kind = " txray-long" * (len(frame) > LONG) + " txray-cards" * cards
    for name in frame:
        if name == "why" and cards:
            continue
        if name == "verdict":
            column = list(map(_chip, frame[name], frame.get("why", [""] * len(frame))))
        else:
            column = [_cell(value, formats.get(str(name)), digits) for value in frame[name].astype(object)]
        words = ' class="words"' if any(cell.startswith(TEXT) for cell in column) else ""
        head = html.escape(str(name).replace("_", " "))
        heads += f'<th scope="col"{words}>{head}</th>'
        columns.append([cell.replace("<td", f'<td data-name="{head}"', 1) for cell in column] if cards else column)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*columns, strict=True))
    name = html.escape(caption)
    display(
        HTML(
            f'<div class="txray-scroll" role="region" tabindex="0" aria-label="{name}"><table class="txray-table{kind}">'
            f"<caption><span>{name}</span></caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )
    )


def draw(chart: alt.TopLevelMixin, text: str, names: dict[str, str] | None = None) -> None:
    """A figure in the book's colours; `text` says what it shows to whoever cannot see it. Its first sentence is the caption.
    `names` says what short columns of its data are, for whoever downloads them."""
    display(finish(chart, UNDEFINED.sub("–", text), names))


def say(text: str) -> None:
    """A sentence whose numbers the cell computed: `say(f"{n} neurons")`; one that is not defined becomes a dash. Tokens go
    through `word` first."""
    display(Markdown(UNDEFINED.sub("–", text)))


def word(*tokens: object) -> str:
    """Tokens of a corpus, quoted, for `say`: they can never become markup."""
    return ", ".join(f"“{''.join(c if c.isalnum() else f'&#{ord(c)};' for c in shorten(t))}”" for t in map(str, tokens))


def shorten(token: str) -> str:
    """At most 40 letters of a token."""
    return token if len(token) <= MAX_LETTERS else f"{token[: MAX_LETTERS - 1]}…"


def claims(run: Results, *ids: str) -> None:
    """The paper's claims with these ids beside this run's numbers, what chance gives, and the judge's verdict."""
    from txray_lib.audit import judge

    rows, shown = judge(run, *ids), []
    for row in rows.itertuples():
        beyond = interval(row.beyond, row.beyond_low, row.beyond_high, row.unit)
        chance = f"; chance: {row.against}" + f"; ours minus chance: {beyond}" * (row.beyond == row.beyond)
        shown.append(
            {
                "the paper": f"{row.claim} ({row.id})",
                "verdict": row.verdict,
                "its number": number(row.paper, row.unit) if row.paper == row.paper else row.asked,
                "here": interval(row.ours, row.low, row.high, row.unit),
                "by chance": number(row.chance, row.unit),
                "why": row.because + (chance if row.against else ""),
            }
        )
    fewest, most = rows.loc[rows["seeds"] > 0, "seeds"].agg(["min", "max"]).fillna(0).astype(int)
    over = f"95 % intervals; seeds: {most}" + f", of some claims {fewest}" * (fewest < most)
    show(pd.DataFrame(shown), f"What the paper says, and what {run.profile} gives ({over})")


def source(*runs: Results) -> None:
    """Where the numbers of a page come from, folded away."""
    lines = ""
    for run in runs:
        if run.is_outdated:
            say(f"**The tables of {run.profile} were made with other parameters than its profile has now.**")
        others = [] if run.layer is None else [layer for layer in run.layers if layer != run.layer]
        if others:
            say(f"**This page shows layer {run.layer} of {run.profile}**; `{run.profile}@{others[0]}` is another one.")
        lines += f"<p>{html.escape(_source(run))}</p>"
    name = html.escape(", ".join(run.profile for run in runs))
    summary = f"<summary>Source of every number: {name}</summary>"
    display(HTML(f'<details class="txray-provenance">{summary}{lines}</details>'))


def colour(run: Results, stage: str) -> str:
    """The colour of a stage, the same on every page."""
    return ROLES[run.roles[stage]].light


def colours(run: Results, stages: Iterable[str]) -> alt.Scale:
    """A scale that gives each of these stages its colour: `alt.Color("stage:N", scale=colours(run, stages))`."""
    names = list(stages)
    return alt.Scale(domain=names, range=[colour(run, stage) for stage in names])


def number(value: float, unit: str) -> str:
    """A number in the unit of a claim: counts of neurons are shares of all. A share that would be 0.0 % has two digits that
    count."""
    if math.isnan(value):
        return "–"
    form = FORMATS.get(unit)
    if form and form.endswith("%") and 0 < abs(value) < 0.0005:
        return _signed(f"{100 * value:{form[:-3]}.2g}\N{NO-BREAK SPACE}%")
    return _written(value, form, 3)


def interval(value: float, low: float, high: float, unit: str) -> str:
    """A number with its interval, where it has one, in the unit of a claim."""
    own = number(value, unit)
    return own if math.isnan(low) else f"{own} [{number(low, unit)},\N{NO-BREAK SPACE}{number(high, unit)}]"


def _source(run: Results) -> str:
    its = run.provenance
    corpora = ", ".join(f"{name} {digest[:12]}" for name, digest in its["corpora"].items())
    layer = "" if run.layer is None else f", layer {run.layer} of {', '.join(map(str, run.layers))}"
    how = "computed in this checkout" if run.origin == "live" else "frozen tables of an earlier run"
    seeds = [replace(run, profile=folder.name, folder=folder) for folder in run.seed_folders]
    told = ", ".join(f"{seed.profile} (commit {str(seed.provenance['commit'])[:12]})" for seed in seeds)
    others = f"; intervals over seeds also from {told}" if told else ""
    weights = f", weights {its['weights'][:12]}" if its.get("weights", its["commit"]) != its["commit"] else ""
    return (
        f"{run.profile}{layer}: {how}; seed {its['seed']}; corpora {corpora}; commit {str(its['commit'])[:12]}{weights},"
        f" {its['created'][:10]}; {its.get('command', '')}{others}"
    ).rstrip("; ")


def _cell(value: Any, form: str | None, digits: int) -> str:
    """A cell of a table; text is aligned left and may wrap."""
    if isinstance(value, tuple | list):
        boxes = " ".join(f'<span class="txray-token">{html.escape(shorten(str(token)))}</span>' for token in value)
        return f"{TEXT}{boxes}</td>"
    if pd.isna(value):
        return "<td>–</td>"
    if isinstance(value, bool) or not isinstance(value, Number):
        return f"{TEXT}{html.escape(str(value))}</td>"
    return f'<td data-order="{float(value):.9g}">{html.escape(_written(value, form, digits))}</td>'


def _written(value: Any, form: str | None, digits: int) -> str:
    if form:
        return _signed(format(value, form).replace("%", "\N{NO-BREAK SPACE}%"))
    is_whole = float(value).is_integer() and abs(value) < 1e15
    return _signed(f"{value:,.0f}" if is_whole or abs(value) >= 10**digits else f"{value:.{digits}g}")


def _signed(text: str) -> str:
    """A written number with a minus in place of a hyphen."""
    return text.replace("-", "−")


def _chip(verdict: str, why: str) -> str:
    reason = f"<small>{html.escape(str(why))}</small>" if why else ""
    chip = f'<span class="txray-chip txray-{CHIPS.get(verdict, "none")}">{html.escape(str(verdict))}</span>'
    return f"{TEXT}{chip} {reason}</td>"
