"""The verdict on the method where the truth is known, and what gained neurons prefer in worlds whose words are known.

 recovery_verdict  when the method works, when it fails, how much text it needs, all from a study's tables
 live_said  what the study computed on the page reads, beside the other
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
_AS_CHANCE = "as chance"


def recovery_verdict(found: Recovered, enough: float, runs: list[Results]) -> Markdown:
    """When the method works, when it fails, and how much text it needs; `enough` is the share that counts as success, `runs`
    those of trained encoders on worlds whose words are known."""
    judged = [_states(found, enough), _distances(found, enough), _tests(found, enough)]
    parts = {
        "When it works": [said for works, _ in judged for said in works] or ["Nowhere in what was tried."],
        "When it fails": [said for _, fails in judged for said in fails] or ["Nowhere in what was tried."],
        "How much text it needs": _text(found, enough),
        "On trained encoders": [
            _words_in_short(run.profile, run.table("truth_words")) for run in runs if run.has("truth_words")
        ],
    }
    lines = [f"- **{name}.** {' '.join(said)}" for name, said in parts.items() if said]
    way, texts = found.study.ways[0], found.study.texts[0]
    lead = (
        f"Collected by {way}, on {texts} text{'s' if texts == 'two' else ''}. {round_percent(enough)}, for a rank correlation"
        f" {enough:g}, counts as enough; “the most text” is {found.sizes[-1]:,g} tokens a neuron."
    )
    return Markdown("\n".join([lead, "", *lines]))


Judged = tuple[list[str], list[str]]
"""What is said of where it works, and of where it fails."""


def _states(found: Recovered, enough: float) -> Judged:
    """It works where precision and recall of avoided and gained neurons are both enough with the most text."""
    works, fails = [], []
    for noise in found.study.noises:
        good = enough_text(found, noise, enough)
        told = works if found.sizes[-1] in good else fails
        told.append(f"with noise “{noise}” {_when(good, found.sizes)}{'' if told is works else _instead(found, noise)}")
    lead = "Precision and recall of avoided and gained neurons, by the paper's rule, are both enough"
    return tuple([f"{lead} {'; '.join(told)}."] if told else [] for told in (works, fails))


def _instead(found: Recovered, noise: str) -> str:
    """What the paper's rule reaches with the most text, and which rule reaches more."""
    rows = {rule: changed_states(found, noise, rule, tokens_a_neuron=found.sizes[-1]) for rule in RULES}
    best = max(RULES, key=lambda rule: balance(rows[rule]))
    recall = percent(pooled(rows[ONE_TOKEN])[1])
    if balance(rows[best]) <= balance(rows[ONE_TOKEN]):
        return f" (recall with the most text: {recall}, and no other rule does better)"
    precision, better = pooled(rows[best])
    return (
        f" (recall with the most text: {recall}; the rule “{RULE_LABELS[best]}” has {percent(better)} at a precision of"
        f" {percent(precision)})"
    )


def _when(good: list[float], sizes: list[float]) -> str:
    """At which amounts of text something is enough."""
    if not good:
        return "at no amount of text"
    if good == sizes:
        return "at every amount of text"
    if good == sizes[-len(good) :]:
        return f"from {good[0]:,g} tokens a neuron on"
    listed = ", ".join(f"{size:,g}" for size in good)
    return f"at {listed} tokens a neuron" + (", and no longer with more text" if good[-1] < sizes[-1] else "")


def _distances(found: Recovered, enough: float) -> Judged:
    """It works where the paper's distance orders neurons as the planted change does, with the most text."""
    works, fails = [], []
    for noise in found.study.noises:
        rho = found.where("measures", noise=noise, tokens_a_neuron=found.sizes[-1]).groupby("measure")["rho"].mean()
        rho = rho.drop("rarefied", errors="ignore").dropna()
        if PAPERS not in rho:
            continue
        best = rho.idxmax()
        other = f" ({MEASURES[best]}: {_number(rho[best])})" if rho[best] - rho[PAPERS] >= 0.005 else ""
        told = works if rho[PAPERS] >= enough else fails
        told.append(f"{_number(rho[PAPERS])} with noise “{noise}”{other}")
    lead = "The rank correlation of the paper's distance with the planted change, with the most text, is"
    return tuple([f"{lead} {', '.join(told)}."] if told else [] for told in (works, fails))


def _tests(found: Recovered, enough: float) -> Judged:
    """It works where a null of the paper's distance finds enough of the changed neurons, and no more that is false than it
    promises on average: a single setting of few seeds strays from that by chance."""
    powers = found.where("detection", measure=PAPERS, tokens_a_neuron=found.sizes[-1], size=ALL_SIZES)
    powers = powers.groupby("noise")["power"].mean().reindex(list(found.study.noises))
    works, fails = (
        [f"{percent(power)} with noise “{noise}”" for noise, power in powers.items() if (power >= enough) == good]
        for good in (True, False)
    )
    lead = "A null of that distance finds, with the most text and of the changed neurons,"
    told = tuple([f"{lead} {', '.join(those)}."] if those else [] for those in (works, fails))
    rows = alarms(found)
    false, above = rows["false_discoveries"].mean(), int((rows["false_discoveries"] > LEVEL).sum())
    told[bool(false > LEVEL)].append(
        f"Of what such nulls find {percent(false)} is unchanged, on average over {plural(len(rows), 'setting')}, where"
        f" {round_percent(LEVEL)} is promised on average; it is more in {count(above) if above else 'none'} of them. They find"
        f" {percent(rows['false_positives'].mean())} of the neurons that did not change, unused ones included."
    )
    return told


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
    """What is told from chance even where p is multiplied by the number of tests."""
    strict, said = rows.assign(p=rows["p"] * rows["p"].notna().sum()), []
    for state, side in ((GAINED, "after"), (AVOIDED, "before")):
        own = strict[(strict["state"] == state) & (strict["side"] == side)].dropna(subset=["observed"])
        told = {of: _direction(row) for of, row in own.set_index("of").iterrows()}
        clear = " and ".join(f"{how} {OF[of]}" for of, how in told.items() if how != _AS_CHANCE)
        said.append(
            f"no neuron is {state}"
            if own.empty
            else f"evaluative words are, of {state} neurons, {clear}"
            if clear
            else f"what {state} neurons prefer of evaluative words is not told from chance"
        )
    return f"On the world of {name}, {', and '.join(said)} (p times the number of tests at most {LEVEL:g})."


def live_said(found: Recovered, live: Recovered) -> Markdown:
    """What the study computed on the page reads, beside the other."""
    mine, other = live.study, found.study
    parts = [
        f"{plural(len(its.seeds), 'seed')}, {plural(len(its.noises), 'noise')} and {plural(its.plan.units, 'neuron')}"
        for its in (mine, other)
    ]
    if found.results is None:
        return paragraph(f"While this page was made it ran a study of its own: {parts[0]}. No other is at hand.")
    return paragraph(
        f"While this page was made it ran a study of its own: {parts[0]}, where the study above has {parts[1]}.",
        "With another number of neurons another number of words comes to each, so its numbers need not lie within those of the study;"
        " they should not contradict them."
        if mine.plan.units != other.plan.units
        else "",
    )


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
        return _AS_CHANCE
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
