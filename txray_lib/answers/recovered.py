"""What a study of planted encoders recovers: how it was planted, and sentences and tables about each of its three tables.

May touch: charts (the names of measures and rules), errors, paper, profiles, results, telling, truth.

 open_study     the study of a profile's results or, where they are not at hand, the one that a page has just computed
 planted_said   what was planted and read
 recovery_…     shared, avoided and gained: precision and recall
 ranks_said     whether distances order neurons by how much they changed
 detected_said, alarms_said   what a null finds, and what it finds wrongly
 needed_…       the smallest text that is enough
 beside_live    a study computed on the page beside the frozen one

What is said of one number is the mean over seeds; precision and recall are of the neurons of all seeds together.
"""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import yaml
from IPython.display import HTML, Markdown

from txray_lib.figures.recovery import MEASURES
from txray_lib.figures.recovery import RULES as RULE_LABELS
from txray_lib.errors import TxrayError, nearest
from txray_lib.paper import value
from txray_lib.profiles import list_profiles
from txray_lib.results import Results, list_results, open_results
from txray_lib.telling import count, distance, listed, paragraph, percent, plural, provenance, short_commit, table
from txray_lib.transfer import AVOIDED, GAINED, SHARED
from txray_lib.truth import A_TENTH, ALL_SIZES, LEVEL, ONE_TOKEN, RULES, Noise, Study, text_needed

TABLES = ("truth_states", "truth_measures", "truth_detection")
PAPERS = "hellinger"
CHANGED = (AVOIDED, GAINED)


@dataclass(frozen=True)
class Recovered:
    """A study and its three tables; `results` is None where the page computed it."""

    study: Study
    states: pd.DataFrame
    measures: pd.DataFrame
    detection: pd.DataFrame
    results: Results | None = None

    def where(self, name: str, **chosen: Any) -> pd.DataFrame:
        """Rows of "states", "measures" or "detection" of the first way and texts of the study, unless others are chosen
        (None: all of them)."""
        rows = getattr(self, name)
        for column, wanted in {"way": self.study.ways[0], "texts": self.study.texts[0], **chosen}.items():
            rows = rows if wanted is None else rows[rows[column] == wanted]
        return rows

    @property
    def sizes(self) -> list[float]:
        """The amounts of text, in tokens a neuron, from the least to the most."""
        return sorted(self.states["tokens_a_neuron"].unique())


def study_at_hand(name: str) -> Results | None:
    """The results of the profile `name`, None where its tables are not at hand.

    Raises TxrayError for a misspelt profile (where profiles/ is at hand), and for one that is not a study of what is known.
    """
    known = {*(profiles := list_profiles()), *(at_hand := list_results())}
    if profiles and name not in known:
        raise TxrayError(f"there is no profile {name!r}. {nearest(name, known)}")
    if name not in at_hand:
        return None
    results = open_results(name)
    if not results.is_study:
        studies = [each for each in at_hand if open_results(each).is_study]
        raise TxrayError(f"the profile {name!r} plants nothing: it is a run, not a study. {nearest(name, studies)}")
    return results


def open_study(name: str, live: Study, tables: dict[str, pd.DataFrame]) -> Recovered:
    """The study of the profile `name`; where its tables are not at hand, the live one of these tables.

    Raises TxrayError as `study_at_hand` does.
    """
    results = study_at_hand(name)
    if results is None:
        return Recovered(live, *(tables[each] for each in TABLES))
    group = yaml.safe_load((results.folder / "profile.yaml").read_text(encoding="utf-8"))["truth"]
    study = Study.of({**group, "seeds": list(results.provenance["seed"])})
    return Recovered(study, *(results.table(each) for each in TABLES), results)


def checked(found: Recovered, noise: str, enough: float) -> tuple[str, float]:
    """A noise of the study, and a share that can be asked for. Raises TxrayError for others."""
    if noise not in found.study.noises:
        raise TxrayError(f"the study has no noise {noise!r}. {nearest(noise, found.study.noises)}")
    if not 0 < enough <= 1:
        raise TxrayError(f"a share of {enough} was asked for. Give a number above 0 and up to 1.")
    return noise, enough


def study_source(found: Recovered, name: str) -> HTML | Markdown:
    """Where the numbers of a page come from, once and in full."""
    if found.results is not None:
        return provenance(found.results)
    return paragraph(
        f"**The tables of the profile {name} are not at hand**; `txray run {name}` makes them. All numbers here are from the"
        " small study that this page computes itself, so many comparisons are missing."
    )


def study_line(found: Recovered) -> HTML:
    """The line under a figure."""
    if found.results is None:
        return HTML('<p class="txray-provenance">Source: the small study that this page computes.</p>')
    source = found.results.provenance
    seeds = ", ".join(map(str, found.study.seeds))
    commit = short_commit(source["commit"])
    line = f"Source: profile {found.results.profile}, seeds {seeds}, commit {commit}; its texts are named above."
    return HTML(f'<p class="txray-provenance">{html.escape(line)}</p>')


def planted_said(found: Recovered) -> Markdown:
    """What was planted, and how much text was read of it."""
    plan, kinds = found.study.plan, Counter(found.study.plan.kinds())
    partly = [size for size in plan.sizes if size < 1]
    papers = value("S3", "tokens") / value("N7", "units")
    return paragraph(
        f"**What is planted.** Of {plural(plan.units, 'neuron')}, {count(kinds['replaced'])} exchange {_span(plan.sizes)} of"
        f" their words pair by pair, {count(kinds['lost'])} lose {_span(partly)} of their text and {count(kinds['silenced'])}"
        f" all of it to {count(kinds['revived'])} that held none before, {count(kinds['unused'])} never prefer anything and"
        f" {count(kinds['unchanged'])} stay as they are. So {count(kinds['replaced'] + kinds['lost'] + kinds['unchanged'])} are"
        f" shared, {count(kinds['silenced'])} avoided and {count(kinds['revived'])} gained. A word excites"
        f" {plural(plan.depth, 'neuron')}.",
        f"**What is read.** Texts of {listed(count(tokens) for tokens in found.study.tokens)} tokens of a generated"
        f" encyclopedia, {_range(found.sizes)} tokens a neuron, with {plural(len(found.study.seeds), 'seed')}. The paper's"
        f" {count(value('S3', 'tokens'))} tokens are {count(papers)} for each of its {count(value('N7', 'units'))} neurons.",
        f"**What stands between.** {'; '.join(f'noise “{name}”: {_noise(each)}' for name, each in found.study.noises.items())}.",
    )


def _noise(noise: Noise) -> str:
    if noise == Noise():
        return "nothing"
    return (
        f"activations vary by up to {round_percent(noise.jitter)}, at {round_percent(noise.flips)} of tokens the two strongest"
        f" neurons change places, {round_percent(noise.strays)} of tokens excite neurons drawn at random"
    )


def pooled(rows: pd.DataFrame) -> tuple[float, float]:
    """Precision and recall of all rows of `truth_states` together; NaN where nothing is found, or nothing is to find."""
    both = (rows["precision"].fillna(0) * rows["found"]).sum()
    found, true = rows["found"].sum(), rows["true"].sum()
    return (both / found if found else np.nan, both / true if true else np.nan)


def balance(rows: pd.DataFrame) -> float:
    """The harmonic mean of both (F1), 0 where nothing is found."""
    precision, recall = pooled(rows)
    return 0.0 if not precision > 0 else 2 * precision * recall / (precision + recall)


def changed_states(found: Recovered, noise: str, rule: str = ONE_TOKEN, **chosen: Any) -> pd.DataFrame:
    """Rows of avoided and gained neurons together."""
    return found.where("states", noise=noise, rule=rule, **chosen).query("state in @CHANGED")


def enough_text(found: Recovered, noise: str, enough: float, rule: str = ONE_TOKEN) -> list[float]:
    """Tokens a neuron at which precision and recall of avoided and gained neurons together both reach `enough`."""
    rows = changed_states(found, noise, rule)
    return [size for size, own in rows.groupby("tokens_a_neuron") if min(pooled(own)) >= enough]


def recovery_said(found: Recovered, noise: str) -> Markdown:
    """What the paper's rule finds of avoided and gained neurons with the least and with the most text, and the best rule."""
    least, most = found.sizes[0], found.sizes[-1]
    said = []
    for name in found.study.noises:
        rows = changed_states(found, name)
        recalls = [pooled(rows[rows["tokens_a_neuron"] == size])[1] for size in found.sizes]
        at = f"{percent(recalls[0])} at {_size(least)}"
        if len(recalls) > 1:
            at = f"{percent(recalls[0])} at {least:,g} and {percent(recalls[-1])} at {_size(most)}"
            best = int(np.argmax(recalls))
            at += (
                f", the most ({percent(recalls[best])}) at {found.sizes[best]:,g}"
                if 0 < best < len(recalls) - 1
                else ""
            )
        said.append(f"with noise “{name}” {at}")
    largest = {rule: changed_states(found, noise, rule, tokens_a_neuron=most) for rule in RULES}
    best_rule = max(RULES, key=lambda rule: balance(largest[rule]))
    shared = pooled(found.where("states", noise=noise, rule=ONE_TOKEN, state=SHARED, tokens_a_neuron=most))[0]
    return paragraph(
        f"**By the paper's rule** a neuron is preferred once it holds {ONE_TOKEN}. Collected by {found.study.ways[0]}, the share"
        f" of all avoided and gained neurons that it finds is, {'; '.join(said)}.",
        f"With noise “{noise}” and the most text, {percent(shared)} of those it calls shared are.",
        f"There the rule “{RULE_LABELS[best_rule]}” does best: {_both(largest[best_rule])}."
        if balance(largest[best_rule])
        else "There no rule finds any of them.",
    )


def recovery_table(found: Recovered, noise: str) -> HTML:
    """Precision and recall of each state with the most text, by way, texts and rule."""
    rows = found.where("states", noise=noise, tokens_a_neuron=found.sizes[-1], way=None, texts=None)
    lines = []
    for (way, texts, rule), own in rows.groupby(["way", "texts", "rule"], sort=False):
        line = {"collected by": way, "texts": texts, "rule": RULE_LABELS.get(rule, rule)}
        for state in (SHARED, AVOIDED, GAINED):
            precision, recall = pooled(own[own["state"] == state])
            line |= {f"{state}: precision": _share(precision), f"{state}: recall": _share(recall)}
        lines.append(line)
    caption = f"What is recovered at {_size(found.sizes[-1])}, noise “{noise}”; a dash: none was found"
    return table(pd.DataFrame(lines), caption, words=["collected by", "texts", "rule"])


def ranks_said(found: Recovered, noise: str) -> Markdown:
    """Whether distances order shared neurons by the planted change, and how far apart unchanged ones lie."""
    least, most = found.sizes[0], found.sizes[-1]
    rows = found.where("measures", noise=noise)
    rho = rows.groupby(["tokens_a_neuron", "measure"])["rho"].mean().unstack()
    best = rho.loc[most].drop("rarefied", errors="ignore")
    unchanged = rows[rows["measure"] == PAPERS].groupby("tokens_a_neuron")["unchanged"].mean()
    other = found.where("measures", noise=noise, texts="two", measure=PAPERS, tokens_a_neuron=most)["unchanged"].mean()
    return paragraph(
        f"With noise “{noise}” the paper's distance has a rank correlation with the planted change of"
        f" {_number(rho.loc[least, PAPERS])} at {_size(least)} and of {_number(rho.loc[most, PAPERS])} at {_size(most)}."
        if least < most
        else f"With noise “{noise}” its rank correlation with the planted change is {_number(rho.loc[most, PAPERS])}.",
        f"With the most text the highest of the four distances is {_number(best.max())}, that of {MEASURES[best.idxmax()]}."
        if best.notna().any()
        else "",
        f"Neurons in which nothing was changed lie {distance(unchanged[least])} apart on average with the least text and"
        f" {distance(unchanged[most])} with the most"
        + ("." if np.isnan(other) else f"; on two samples of one corpus, {distance(other)}."),
        "A distance alone therefore does not say that a neuron changed: it takes a null to tell."
        if max(unchanged[most], np.nan_to_num(other)) > 0
        else "",
    )


def detected_said(found: Recovered, noise: str) -> Markdown:
    """How many changed neurons a null finds with the most text, way by way, and small changes beside large ones."""
    most = found.sizes[-1]
    rows = found.where("detection", noise=noise, measure=PAPERS, tokens_a_neuron=most, way=None, size=ALL_SIZES)
    powers = rows.groupby("way", sort=False)["power"].mean()
    bins = found.where("detection", noise=noise, measure=PAPERS, tokens_a_neuron=most)
    by_size = bins[bins["size"] != ALL_SIZES].groupby("size", sort=False)["power"].mean().dropna()
    return paragraph(
        f"At {_size(most)} and with noise “{noise}” the null of the paper's distance finds"
        f" {listed(f'{percent(power)} by {way}' for way, power in powers.items())} of the changed neurons (q ≤ {LEVEL:g}).",
        f"By {found.study.ways[0]} it finds {percent(by_size.iloc[0])} of the smallest changes ({by_size.index[0]} of a neuron's"
        f" words or text) and {percent(by_size.iloc[-1])} of the largest ({by_size.index[-1]})."
        if len(by_size) > 1
        else "",
    )


def alarms(found: Recovered) -> pd.DataFrame:
    """Mean false positives and false discoveries over seeds, a row for each comparison and measure."""
    rows = found.detection[found.detection["size"] == ALL_SIZES]
    keys = ["texts", "noise", "way", "tokens_a_neuron", "measure"]
    return rows.groupby(keys, sort=False)[["false_positives", "false_discoveries"]].mean().reset_index()


def alarms_said(found: Recovered) -> Markdown:
    """How often a neuron is found that did not change, beside the level of the tests."""
    rows = alarms(found)
    above = int((rows["false_discoveries"] > LEVEL).sum())
    worst = rows.loc[rows["false_discoveries"].idxmax()]
    return paragraph(
        f"Over {plural(len(rows), 'setting')} (texts, noise, way, amount of text, measure), {percent(rows['false_positives'].mean())}"
        f" of the neurons that did not change, unused ones included, are found on average, and"
        f" {percent(rows['false_positives'].max())} at most.",
        f"What q ≤ {LEVEL:g} promises is that on average no more than {round_percent(LEVEL)} of all that is found is false; it is more"
        f" in {count(above) if above else 'none'} of the settings.",
        f"The largest is {percent(worst['false_discoveries'])} ({worst['way']}, texts: {worst['texts']}, noise"
        f" “{worst['noise']}”, {_size(worst['tokens_a_neuron'])}, {MEASURES[worst['measure']]}); a mean over"
        f" {plural(len(found.study.seeds), 'seed')} strays from its promise by chance too."
        if worst["false_discoveries"] > 0
        else "",
    )


def needed_table(found: Recovered, noise: str, enough: float) -> HTML:
    """Tokens a neuron at which a null finds a share `enough` of the changed neurons, by the size of the change."""
    needed = text_needed(found.detection[found.detection["noise"] == noise], enough)
    sizes = [*(s for s in dict.fromkeys(found.detection["size"]) if s != ALL_SIZES), ALL_SIZES]
    lines = []
    for (way, texts, measure), own in needed.groupby(["way", "texts", "measure"], sort=False):
        at = own.set_index("size")["tokens_a_neuron"]
        cells = {f"size {s}": _reached(at.get(s, np.nan)) for s in sizes}
        lines.append({"collected by": way, "texts": texts, "measure": MEASURES[measure], **cells})
    order = list(found.study.ways)
    frame = pd.DataFrame(lines).sort_values("collected by", key=lambda ways: ways.map(order.index), kind="stable")
    caption = f"Tokens a neuron at which {round_percent(enough)} of the changed neurons are found, noise “{noise}”; a dash: not reached"
    return table(frame, caption, words=["collected by", "texts", "measure"])


def needed_for(found: Recovered, noise: str, enough: float, measure: str = PAPERS) -> float:
    """Tokens a neuron at which the null of a measure finds `enough` of all changed neurons; NaN where no text was enough."""
    rows = found.where("detection", noise=noise, measure=measure, size=ALL_SIZES)
    return float(text_needed(rows, enough)["tokens_a_neuron"].iloc[0]) if len(rows) else np.nan


def beside_live(found: Recovered, live: Recovered) -> HTML:
    """The numbers of a study computed on the page beside those of the same setting in the other: mean, lowest and highest
    over its seeds."""
    lines = []
    for size in live.sizes:
        for noise in live.study.noises:
            at = {"noise": noise, "tokens_a_neuron": size, "way": live.study.ways[0], "texts": live.study.texts[0]}
            for name, (ours, theirs) in _quantities(live, found, at).items():
                seen = theirs.dropna() if found.results is not None else theirs[:0]
                lines.append(
                    {
                        "noise": noise,
                        "tokens a neuron": f"{size:,g}",
                        "quantity": name,
                        "computed here": _number(ours.mean()),
                        "in the study": "–"
                        if seen.empty
                        else f"{_number(seen.mean())} ({_number(seen.min())} to {_number(seen.max())})",
                    }
                )
    caption = "Computed while this page was made, beside the study: its mean, lowest and highest over seeds"
    return table(pd.DataFrame(lines), caption, words=["noise", "quantity"])


def _quantities(live: Recovered, found: Recovered, at: dict[str, Any]) -> dict[str, tuple[pd.Series, pd.Series]]:
    asked = {
        "avoided and gained: recall, the paper's rule": ("states", "recall", {"rule": ONE_TOKEN, "state": None}),
        "avoided and gained: recall, a tenth": ("states", "recall", {"rule": A_TENTH, "state": None}),
        "rank correlation, Hellinger": ("measures", "rho", {"measure": PAPERS}),
        "rank correlation, Hellinger by mass": ("measures", "rho", {"measure": "mass_hellinger"}),
        "changed neurons found": ("detection", "power", {"measure": PAPERS, "size": ALL_SIZES}),
        "unchanged or unused neurons found": ("detection", "false_positives", {"measure": PAPERS, "size": ALL_SIZES}),
    }
    return {
        name: tuple(_by_seed(each.where(kind, **at, **chosen), kind, column) for each in (live, found))
        for name, (kind, column, chosen) in asked.items()
    }


def _by_seed(rows: pd.DataFrame, kind: str, column: str) -> pd.Series:
    if kind != "states":
        return rows.groupby("seed")[column].mean()
    own = rows[rows["state"].isin(CHANGED)]
    return pd.Series({seed: pooled(each)[1] for seed, each in own.groupby("seed")}, dtype=float)


def _size(tokens: float) -> str:
    return f"{tokens:,g} tokens a neuron"


def round_percent(share: float) -> str:
    """0.8 as "80 %": of a share that was chosen, not measured."""
    return f"{100 * share:.4g} %"


def _span(shares: Any) -> str:
    low, high = min(shares), max(shares)
    return round_percent(low) if low == high else f"{round_percent(low)} to {round_percent(high)}"


def _range(sizes: list[float]) -> str:
    return f"{sizes[0]:,g}" if len(sizes) == 1 else f"{sizes[0]:,g} to {sizes[-1]:,g}"


def _share(share: float) -> str:
    return "–" if np.isnan(share) else percent(share)


def _number(number: float) -> str:
    return "–" if np.isnan(number) else f"{number:.2f}".replace("-", "−")


def _reached(tokens: float) -> str:
    return "–" if np.isnan(tokens) else f"{tokens:,g}"


def _both(rows: pd.DataFrame) -> str:
    precision, recall = pooled(rows)
    return (
        f"it finds {percent(recall)} of the avoided and gained neurons, and {percent(precision)} of those it names are"
    )
