"""The verdict on the method where the truth is known, and what gained neurons prefer in worlds whose words are known.

 recovery_verdict  when the method works, when it fails, how much text it needs, all from a study's tables
 words_said, words_table  of runs on the worlds: whether gained neurons prefer evaluative words, against chance

May touch: paper, results, telling, truth, `recovered`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from txray_lib.answers.recovered import (
    MEASURES,
    PAPERS,
    RULE_LABELS,
    Recovered,
    alarms,
    balance,
    changed_states,
    enough_text,
    needed_for,
    pooled,
    round_percent,
)
from txray_lib.paper import value
from txray_lib.results import Results
from txray_lib.telling import count, paragraph, percent, plural, table
from txray_lib.transfer import AVOIDED, GAINED
from txray_lib.truth import ALL_SIZES, LEVEL, ONE_TOKEN, RULES

OF = {"features": "of their words", "mass": "of their mass", "neurons": "of a neuron's words on average"}
"""What a share in `truth_words` is of."""


def recovery_verdict(found: Recovered, enough: float, runs: list[Results]) -> Markdown:
    """When the method works, when it fails, and how much text it needs; `enough` is the share that counts as success, `runs`
    those of trained encoders on worlds whose words are known."""
    parts = {
        "Preference states": _states(found, enough),
        "Distances": _distances(found),
        "Tests": _tests(found, enough),
        "How much text": _text(found, enough),
        "Trained encoders": [
            _words_in_short(run.profile, run.table("truth_words")) for run in runs if run.has("truth_words")
        ],
    }
    lines = [f"- **{name}.** {' '.join(filter(None, said))}" for name, said in parts.items() if said]
    way, texts = found.study.ways[0], found.study.texts[0]
    lead = (
        f"Collected by {way}, on {texts} text{'s' if texts == 'two' else ''}; {round_percent(enough)} counts as enough, and “the"
        f" most text” is {found.sizes[-1]:,g} tokens a neuron."
    )
    return Markdown("\n".join([lead, "", *lines]))


def _states(found: Recovered, enough: float) -> list[str]:
    each = "; ".join(f"with noise “{noise}” {_when(found, noise, enough)}" for noise in found.study.noises)
    said = [f"Precision and recall of the avoided and gained neurons, by the paper's rule, are both enough {each}."]
    most = found.sizes[-1]
    for noise in found.study.noises:
        rows = {rule: changed_states(found, noise, rule, tokens_a_neuron=most) for rule in RULES}
        best = max(RULES, key=lambda rule: balance(rows[rule]))
        if balance(rows[best]) > balance(rows[ONE_TOKEN]):
            said.append(
                f"With noise “{noise}” and the most text the rule “{RULE_LABELS[best]}” does better: recall"
                f" {_share(pooled(rows[best])[1])} and precision {_share(pooled(rows[best])[0])}, where one token gives"
                f" {_share(pooled(rows[ONE_TOKEN])[1])} and {_share(pooled(rows[ONE_TOKEN])[0])}."
            )
    return said


def _when(found: Recovered, noise: str, enough: float) -> str:
    """At which amounts of text the paper's rule recovers avoided and gained neurons."""
    good, sizes = enough_text(found, noise, enough), found.sizes
    if not good:
        return "at no amount of text"
    if good == sizes:
        return "at every amount of text"
    if good == sizes[-len(good) :]:
        return f"from {good[0]:,g} tokens a neuron on"
    listed = ", ".join(f"{size:,g}" for size in good)
    return f"at {listed} tokens a neuron" + (", and no longer with more text" if good[-1] < sizes[-1] else "")


def _distances(found: Recovered) -> list[str]:
    most, said = found.sizes[-1], []
    for noise in found.study.noises:
        rho = found.where("measures", noise=noise, tokens_a_neuron=most).groupby("measure")["rho"].mean()
        rho = rho.drop("rarefied", errors="ignore").dropna()
        if PAPERS not in rho:
            continue
        best = rho.idxmax()
        other = f" ({MEASURES[best]}: {_number(rho[best])})" if rho[best] - rho[PAPERS] >= 0.005 else ""
        said.append(f"{_number(rho[PAPERS])} with noise “{noise}”{other}")
    if not said:
        return ["No rank correlation could be computed."]
    return [
        "With the most text the paper's distance has a rank correlation with the planted change of"
        f" {', '.join(said)}; in brackets the best distance where another is better."
    ]


def _tests(found: Recovered, enough: float) -> list[str]:
    rows = alarms(found)
    above = int((rows["false_discoveries"] > LEVEL).sum())
    powers = found.where("detection", measure=PAPERS, tokens_a_neuron=found.sizes[-1], size=ALL_SIZES)
    powers = powers.groupby("noise")["power"].mean().reindex(list(found.study.noises))
    each = ", ".join(
        f"{percent(power)} with noise “{noise}”{'' if power >= enough else ', too few'}"
        for noise, power in powers.items()
    )
    return [
        f"With the most text a null of the paper's distance finds, of the changed neurons, {each}.",
        f"In {count(above) if above else 'none'} of {plural(len(rows), 'setting')} more than {round_percent(LEVEL)} of what is"
        f" found did not change, and on average {percent(rows['false_positives'].mean())} of the unchanged neurons are found.",
    ]


def _text(found: Recovered, enough: float) -> list[str]:
    papers = value("S3", "tokens") / value("N7", "units")
    by_mass = "mass_hellinger"
    each = "; ".join(
        f"with noise “{noise}” {_tokens(needed_for(found, noise, enough))}, by mass"
        f" {_tokens(needed_for(found, noise, enough, by_mass))}"
        for noise in found.study.noises
    )
    near = min(found.sizes, key=lambda size: abs(np.log(size / papers)))
    rows = found.where("detection", measure=PAPERS, tokens_a_neuron=near)
    whole = rows.loc[rows["size"] == ALL_SIZES, "power"].mean()
    small = rows.loc[rows["size"] == _smallest(rows), "power"].mean()
    return [
        f"For a null of the paper's distance to find {round_percent(enough)} of the changed neurons it takes, in tokens a"
        f" neuron: {each}.",
        f"The paper reads {count(papers)}. Nearest to that is {near:,g}, which finds {percent(whole)} of all changes and"
        f" {percent(small)} of the smallest (size {_smallest(rows)}), over all noises.",
    ]


def _smallest(rows: pd.DataFrame) -> str:
    """The bin of the smallest changes that has neurons."""
    sizes = rows.loc[(rows["size"] != ALL_SIZES) & rows["power"].notna(), "size"]
    return sizes.iloc[0] if len(sizes) else ALL_SIZES


def _words_in_short(name: str, rows: pd.DataFrame) -> str:
    said = []
    for state, side in ((GAINED, "after"), (AVOIDED, "before")):
        own = rows[(rows["state"] == state) & (rows["side"] == side)].dropna(subset=["observed"])
        told = [f"{_direction(row)} {OF[of]}" for of, row in own.set_index("of").iterrows()]
        clear = [each for each in told if not each.startswith("as chance")]
        said.append(
            f"no neuron is {state}"
            if own.empty
            else f"{state} neurons prefer evaluative words {'; '.join(clear) if clear else 'as often as chance does'}"
        )
    return f"On the world of {name} {', and '.join(said)}."


def words_said(runs: list[Results]) -> Markdown:
    """Whether gained neurons prefer evaluative words and avoided ones do not, run by run."""
    known = {run.profile: run.table("truth_words") for run in runs if run.has("truth_words")}
    if not known:
        return paragraph(
            "None of the runs that are shown kept what its gained neurons prefer of words that are known: `txray run` on a"
            " generated world does."
        )
    return paragraph(*(_words_of(name, rows) for name, rows in known.items()))


def _words_of(name: str, rows: pd.DataFrame) -> str:
    said = [_state_words(rows, state, side) for state, side in ((GAINED, "after"), (AVOIDED, "before"))]
    tests = rows["p"].notna().sum()
    small = int((rows["p"] <= LEVEL).sum())
    strict = int((rows["p"] * tests <= LEVEL).sum())
    return (
        f"**{name}.** {' '.join(said)} Of its {plural(int(tests), 'test')}, {count(small) if small else 'none'}"
        f" {'has' if small == 1 else 'have'} p ≤ {LEVEL:g} and {count(strict) if strict else 'none'} where p is multiplied by"
        " their number (Bonferroni)."
    )


def _state_words(rows: pd.DataFrame, state: str, side: str) -> str:
    own = rows[(rows["state"] == state) & (rows["side"] == side)].set_index("of")
    mass = own.loc["mass"]
    if pd.isna(mass["observed"]):
        return f"No neuron is {state}."
    parts = ", ".join(
        f"{percent(row['observed'])} {OF[of]} (chance: {percent(row['expected'])}; {_direction(row)})"
        for of, row in own.iterrows()
    )
    number = int(mass["neurons"])
    return (
        f"Of the {plural(int(mass['preferred']), 'neuron')} preferred {side} supervision {count(number)}"
        f" {'is' if number == 1 else 'are'} {state}. Evaluative are {parts}."
    )


def _direction(row: pd.Series) -> str:
    if not row["p"] <= LEVEL:
        return "as chance"
    return "more than chance" if row["observed"] > row["expected"] else "less than chance"


def words_table(runs: list[Results]) -> HTML | Markdown:
    """Shares of evaluative words, observed and by chance, of each run that knows its words."""
    lines = [
        {
            "profile": run.profile,
            "neurons": f"{row.state}, {row.side}",
            "share": OF[row.of],
            "observed": _share(row.observed),
            "by chance": "–"
            if pd.isna(row.expected)
            else f"{percent(row.expected)} ({percent(row.low)} to {percent(row.high)})",
            "p": "–" if pd.isna(row.p) else f"{row.p:.3f}",
        }
        for run in runs
        if run.has("truth_words")
        for row in run.table("truth_words").itertuples()
    ]
    if not lines:
        return paragraph("")
    caption = "Evaluative words in what neurons prefer, beside as many preferred neurons drawn at random (95 %)"
    return table(pd.DataFrame(lines), caption, words=["profile", "neurons", "share"])


def _tokens(tokens: float) -> str:
    return "more than was read" if np.isnan(tokens) else f"{tokens:,g}"


def _share(share: float) -> str:
    return "–" if pd.isna(share) else percent(share)


def _number(number: float) -> str:
    return f"{number:.2f}".replace("-", "−")
