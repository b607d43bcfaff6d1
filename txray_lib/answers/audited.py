"""The paper's claims beside ours: at the end of each figure's page, and all of them on the page of the audit.

May touch: audit, errors, paper, results, telling.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence

import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.audit.intervals import NEURONS, SEEDS, SETS
from txray_lib.audit.verdicts import ENOUGH_SEEDS, NOT_TESTED, VERDICTS, is_generated, siblings, verdicts
from txray_lib.errors import TxrayError, nearest
from txray_lib.paper import claim, claims
from txray_lib.results import Results, open_results
from txray_lib.telling import count, paragraph, plural, table

ALL = "all"
_BASIS = {NEURONS: "neurons", SETS: "random sets", SEEDS: "seeds", "tokens": "tokens"}


def beside(results: Results, *ids: str) -> HTML:
    """A row for each part of these claims: the paper's value, ours, its interval and what it is over, the verdict and why.

    Below the table stands what a reader should know about a claim. Raises TxrayError for an unknown id.
    """
    for name in ids:
        claim(name)
    rows = verdicts(results)
    rows = rows[rows["id"].isin(ids)].sort_values("id", key=lambda names: names.map(list(ids).index), kind="stable")
    frame = pd.DataFrame(
        {
            "claim": [_claim(row) for row in rows.itertuples()],
            "paper": [_papers(row) for row in rows.itertuples()],
            f"ours ({results.profile})": [shown(row.ours, row.unit) for row in rows.itertuples()],
            "interval over": [_interval(row) for row in rows.itertuples()],
            "verdict": [verdict_said(row.verdict, row.because) for row in rows.itertuples()],
        }
    )
    made = table(frame, f"What the paper says and what profile {results.profile} gives", words=["claim", "verdict"])
    return HTML(made.data + _cautions(rows))


def audit_table(runs: Sequence[Results], verdict: str = ALL, section: str = ALL, reasons: bool = True) -> HTML:
    """Every claim in every run, a table for each section of the paper, which a click sorts.

    verdict  one of VERDICTS, or "all"
    section  as "§3.1", with what lies below it; or "all"
    reasons  whether intervals, reasons and cautions follow each table, folded away
    """
    known_sections = sorted({name for row in claims().values() for name in sections(row.section)})
    _check(verdict, [ALL, *VERDICTS], "verdict")
    _check(section, [ALL, *known_sections], "section")
    rows = _by_part(runs)
    rows = rows[rows["verdict"] == verdict] if verdict != ALL else rows
    if section != ALL:
        rows = rows[[any(name.startswith(section) for name in sections(own)) for own in rows["section"]]]
    if rows.empty:
        return HTML("<p>No claim fits these filters.</p>")
    first = rows["section"].map(lambda own: sections(own)[0])
    parts = [_section(name, part, len(runs) > 1, reasons) for name, part in rows.groupby(first, sort=True)]
    return HTML("".join(parts))


def verdict_counts(runs: Sequence[Results]) -> HTML:
    """How many parts of claims have each verdict: a row a verdict, a column a profile."""
    counts = {run.profile: verdicts(run)["verdict"].value_counts() for run in runs}
    frame = pd.DataFrame({name: [int(own.get(verdict, 0)) for verdict in VERDICTS] for name, own in counts.items()})
    frame.insert(0, "verdict", VERDICTS)
    total = {"verdict": "all", **{name: int(own.sum()) for name, own in counts.items()}}
    return table(pd.concat([frame, pd.DataFrame([total])]), "Parts of claims by verdict", words=["verdict"])


def verdicts_said(runs: Sequence[Results]) -> Markdown:
    """One paragraph for each run: its seeds, whether its corpora are real, and how its verdicts are spread."""
    said = []
    for run in runs:
        rows = verdicts(run)
        counts = rows["verdict"].value_counts()
        by = {name: count(counts.get(name, 0)) for name in VERDICTS}
        tested = sum(int(counts.get(name, 0)) for name in VERDICTS[:3])
        number = len(siblings(run)) + 1
        seeds = plural(number, "seed") + (f", fewer than {ENOUGH_SEEDS}" if number < ENOUGH_SEEDS else "")
        bound = (
            "its corpora are generated, so nothing in it can reproduce a number of the paper"
            if is_generated(run)
            else "its intervals are over seeds"
            if number >= 2
            else "its intervals are over neurons of one run"
        )
        said.append(
            f"**{run.profile}** ({seeds}; {bound}): of {count(len(rows))} parts of {count(rows['id'].nunique())} claims"
            f" {count(tested)} could be held against its tables. Of these {by['reproduced']} are reproduced,"
            f" {by['same direction']} go in the same direction and {by['differs']} differ. Of the other {count(len(rows) - tested)}"
            f" {by['impossible as stated']} are impossible as stated, {by['not stated']} not stated and {by['not tested']} not tested."
        )
    return Markdown("\n\n".join(said))


def untested_table(runs: Sequence[Results]) -> HTML:
    """Why parts were not tested: a row a reason (up to its first semicolon), with the claims that it holds up and how many
    parts those are in each run."""
    rows = _by_part(runs)
    rows = rows[rows["verdict"] == NOT_TESTED]
    if rows.empty:
        return HTML("<p>Every part was tested.</p>")
    rows = rows.assign(because=rows["because"].str.partition(";")[0])
    counts = rows.groupby(["because", "profile"], sort=False).size().unstack(fill_value=0)
    counts = counts.reindex(columns=[run.profile for run in runs], fill_value=0)
    frame = pd.DataFrame(
        {
            "because": counts.index,
            "claims": [", ".join(rows.loc[rows["because"] == because, "id"].unique()) for because in counts.index],
            **{name: counts[name].to_list() for name in counts},
        }
    )
    return table(frame, "Why parts of claims were not tested", words=["because", "claims"])


def chosen_runs(profiles: str) -> list[Results]:
    """The results of profiles whose names are separated by commas. Raises TxrayError for an unknown or missing one."""
    names = list(dict.fromkeys(name.strip() for name in profiles.split(",") if name.strip()))
    if not names:
        raise TxrayError("no profile is named: give names of profiles, separated by commas, as 'demo,small'")
    return [open_results(name) for name in names]


def seeds_said(results: Results) -> Markdown:
    """Which runs the intervals of a page are over."""
    others = siblings(results)
    if not others:
        return paragraph(
            f"Only one run of {results.profile} is at hand, so intervals are over its neurons (or, for pruning, over random"
            " sets), and no number can be called reproduced."
        )
    names = ", ".join(folder.name for folder in others)
    return paragraph(f"Intervals are over {plural(len(others) + 1, 'seed')}: {results.profile}, {names}.")


def verdict_said(verdict: str, because: str) -> str:
    """ "differs: ours goes the other way", "not tested, because the run kept no scores" """
    return f"{verdict}, because {because}" if verdict == NOT_TESTED else f"{verdict}: {because}"


def shown(value: float, unit: str) -> str:
    """A value in its unit: shares in per cent, changes with their sign; "–" for none."""
    if math.isnan(value):
        return "–"
    if unit in ("neurons", "share", "change"):
        sign = "+" if unit == "change" and value > 0 else ""
        return f"{sign}{_digits(100 * value)} %".replace("-", "−")
    if unit in ("distance", "correlation"):
        digits = 3 if abs(value) < 0.999 else 5
        return (f"{value:.0f}" if abs(value) in (0, 1) else f"{value:.{digits}f}").replace("-", "−")
    return _digits(value).replace("-", "−")


def sections(text: str) -> list[str]:
    """The sections that a place names: "§3.1, Fig. 4" is in §3.1."""
    return re.findall(r"§[\d.]*\d", text)


def _digits(value: float) -> str:
    if value == 0 or (abs(value) >= 10 and value == int(value)):
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 0.1 else f"{value:,.2f}".removesuffix(".00")


def _by_part(runs: Sequence[Results]) -> pd.DataFrame:
    """The verdicts of all runs in the order of the claims, those of one part together; with the column profile."""
    each = [verdicts(run).assign(profile=run.profile) for run in runs]
    return pd.concat(each).sort_index(kind="stable").reset_index(drop=True)


def _claim(row) -> str:
    """A claim in words; without the name of a part that has neither number nor direction and is the claim's only one."""
    only = len(claim(row.id).parts) == 1 and math.isnan(row.paper) and not row.asked
    return f"{row.id}: {row.what}" if only else f"{row.id}: {row.what} ({row.label})"


def _papers(row) -> str:
    """The paper's number; where it gives none, what it says of the direction, with our value of the other side."""
    if not math.isnan(row.paper):
        number = shown(row.paper, row.unit)
        return f"{number} ({row.paper * 1500:,.0f})" if row.unit == "neurons" else number
    if not row.asked:
        return "–"
    if row.asked in ("positive", "negative"):
        return row.asked
    return f"{'>' if row.asked.startswith('more') else '<'} {shown(row.against, row.unit)}"


def _interval(row) -> str:
    if math.isnan(row.low) or math.isnan(row.high):
        return "–"
    low, high = (shown(value, row.unit).removesuffix(" %") for value in (row.low, row.high))
    over = f"{row.seeds} seeds" if row.basis == SEEDS else _BASIS.get(row.basis, row.basis)
    return f"[{low}, {high}] {over}"


def _difference(row) -> str:
    """ours − paper with its sign; of shares in percentage points."""
    if math.isnan(row.difference):
        return "–"
    text = shown(row.difference, row.unit)
    text = text.removesuffix(" %") + " pp" if text.endswith(" %") else text
    return text if text.startswith(("−", "+")) or row.difference == 0 else f"+{text}"


def _section(name: str, rows: pd.DataFrame, several: bool, reasons: bool) -> str:
    again = rows.duplicated("id")
    frame = pd.DataFrame(
        {
            "claim": [
                f"{row.id} ({row.label})" if repeated else _claim(row)
                for row, repeated in zip(rows.itertuples(), again, strict=True)
            ],
            "profile": rows["profile"].to_list(),
            "paper": [_papers(row) for row in rows.itertuples()],
            "ours": [shown(row.ours, row.unit) for row in rows.itertuples()],
            "difference": [_difference(row) for row in rows.itertuples()],
            "verdict": rows["verdict"].to_list(),
        }
    )
    made = table(frame if several else frame.drop(columns="profile"), f"Claims of {name}", words=["claim", "verdict"])
    return f"<h3>{html.escape(name)}</h3>{made.data}{_reasons(rows) if reasons else ''}"


def _reasons(rows: pd.DataFrame) -> str:
    """Why each row has its verdict, folded away: what holds for several parts or profiles is said once."""
    items = []
    for name, own in rows.groupby("id", sort=False):
        said = [verdict_said(row.verdict, row.because) for row in own.itertuples()]
        for reason, same in own.groupby(pd.Series(said, index=own.index), sort=False):
            intervals = "; ".join(_where(row, own) for row in same.itertuples() if _interval(row) != "–")
            labels = ", ".join(same["label"].unique())
            text = f"{labels} ({same['section'].iloc[0]}; {', '.join(same['profile'].unique())}): {reason}"
            items.append(
                _item(f"<b>{html.escape(name)}</b>", text + (f". Intervals: {intervals}" if intervals else ""))
            )
    inside = f"<ul>{''.join(items)}</ul>{_cautions(rows)}"
    return f"<details><summary>Reasons, intervals and cautions</summary>{inside}</details>"


def _where(row, own: pd.DataFrame) -> str:
    """An interval with what it is of, where the claim has several parts or profiles."""
    of = [row.label] * (own["part"].nunique() > 1) + [row.profile] * (own["profile"].nunique() > 1)
    return " ".join([*of, _interval(row).replace("] ", "] over ")])


def _item(head: str, text: str) -> str:
    return f"<li>{head} {html.escape(text)}</li>"


def _cautions(rows: pd.DataFrame) -> str:
    """What a reader should know about the claims, one line each."""
    lines = []
    for row in rows.drop_duplicates("id").itertuples():
        flag = f" ({row.flag})" if row.flag else ""
        if row.caution:
            lines.append(f"<li><b>{html.escape(row.id)}</b>{html.escape(flag)}: {html.escape(row.caution)}.</li>")
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _check(value: str, known: Sequence[str], what: str) -> None:
    if value not in known:
        raise TxrayError(f"there is no {what} {value!r}. {nearest(value, known)}")
