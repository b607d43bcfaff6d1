"""What the paper got wrong, by pattern, with what guards against it here; from `lessons.yaml`.

May touch: errors, paper, results, audit, telling, audited, departures.

 lessons_table    a row a pattern: its instances, how its claims came out, the guard
 lesson_shown     one pattern: the question, its instances one by one, the guards
 held_table       what the paper got right: claims that no run contradicts
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from IPython.display import HTML

import txray_lib
from txray_lib.answers.departures import departures
from txray_lib.audit.verdicts import DIFFERS, IMPOSSIBLE, REPRODUCED, SAME, verdicts
from txray_lib.errors import TxrayError, nearest
from txray_lib.paper import claim, claims
from txray_lib.results import Results
from txray_lib.telling import table

FLAWS = {
    "I1": "lengths that need more tokens than were read",
    "I2": "neurons pruned as avoided that may never have been preferred",
    "I3": "a share of the mass of the wrong neurons",
    "I4": "a drop between two different things",
    "I5": "a change of exactly nothing",
    "I6": "one neuron, two conclusions",
    "I7": "many are short, the mean is long",
    "I8": "on average, but which?",
    "I9": "lengths that change and distances that do not",
}
"""The headings of the page on reproduction."""
LAWS = {
    1: "same weights, same text: nothing changed",
    2: "every token is somebody's",
    3: "one text per comparison",
    4: "preferences add up",
    5: "a P is a probability distribution",
    6: "no number without its null",
    7: "no number without its source",
    8: "a run can be killed at any moment",
    9: "bad input is an error that says what to do",
    10: "the text of a corpus is data",
}
"""The laws that this compendium is built by, to which docstrings refer by number."""
HELD = (REPRODUCED, SAME)
_FIELDS = {"id", "name", "ask", "guards", "flaws", "departures", "claims"}
_OF_A_GUARD = {"what", "law", "test", "page"}


@dataclass(frozen=True)
class Guard:
    """What stands against a pattern here; law, test (file::function below tests/) and page where there are any.

    page  "book/NAME", the name of a notebook, or "{profile}/NAME" of one that each run has
    """

    what: str
    law: int | None = None
    test: str = ""
    page: str = ""


@dataclass(frozen=True)
class Lesson:
    """A pattern, with the flaws I1–I9, departures C1–C36 and claims of the paper that are instances of it or rest on it.

    ask  the question that would have found it
    """

    id: str
    name: str
    ask: str
    guards: tuple[Guard, ...]
    flaws: tuple[str, ...] = ()
    departures: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()

    @property
    def instances(self) -> str:
        """Flaws and departures, those in a row as a span: "I1, C6–C10, C12"."""
        return ", ".join([*self.flaws, *_spans(self.departures)]) or "–"


def lessons() -> Mapping[str, Lesson]:
    """Every pattern by its id, in the order of the page."""
    return _read()


def lesson(name: str) -> Lesson:
    """A pattern by its id. Raises TxrayError for an unknown one."""
    if name not in _read():
        raise TxrayError(f"there is no pattern {name!r}. {nearest(name, _read())}")
    return _read()[name]


def parse(entry: Mapping[str, Any]) -> Lesson:
    """A pattern from its entry in the file. Raises TxrayError for what it names and does not exist."""
    name = entry.get("id")
    if unknown := sorted(set(entry) - _FIELDS):
        raise TxrayError(f"lessons.yaml, {name}: no such key as {unknown[0]!r}. {nearest(unknown[0], _FIELDS)}")
    if missing := sorted({"id", "name", "ask", "guards"} - set(entry)):
        raise TxrayError(f"lessons.yaml, {name}: {', '.join(missing)} missing")
    if not entry["guards"] or any(set(guard) - _OF_A_GUARD or "what" not in guard for guard in entry["guards"]):
        raise TxrayError(f"lessons.yaml, {name}: a guard says what, and may have {', '.join(sorted(_OF_A_GUARD))}")
    if other := [guard["law"] for guard in entry["guards"] if guard.get("law", 1) not in LAWS]:
        raise TxrayError(f"lessons.yaml, {name}: there is no law {other[0]}, only 1 to {len(LAWS)}")
    for kind, known in (("flaws", FLAWS), ("departures", _departures()), ("claims", claims())):
        for own in entry.get(kind, ()):
            if own not in known:
                raise TxrayError(f"lessons.yaml, {name}: {kind} have no {own!r}. {nearest(own, known)}")
    given = {kind: tuple(entry.get(kind, ())) for kind in ("flaws", "departures", "claims")}
    return Lesson(name, entry["name"], entry["ask"], tuple(Guard(**guard) for guard in entry["guards"]), **given)


def lessons_table(runs: Sequence[Results]) -> HTML:
    """A row a pattern: instances, claims that rest on it, how many of their parts held in each run, and the first guard."""
    found = {run.profile: verdicts(run) for run in runs}
    rows = [
        {
            "pattern": own.name,
            "instances": own.instances,
            "claims": len(own.claims),
            **{profile: _held(rows, own.claims) for profile, rows in found.items()},
            "guard": own.guards[0].what,
        }
        for own in lessons().values()
    ]
    caption = (
        "Patterns, their instances and the claims that rest on them; for each run, how many parts of these claims held (same direction"
        " or reproduced) of those that were tested"
    )
    return table(pd.DataFrame(rows), caption, words=["pattern", "instances", "guard"])


def lesson_shown(name: str, runs: Sequence[Results]) -> HTML:
    """A pattern's question, its instances one by one (folded away), and all that guards against it here."""
    own = lesson(name)
    rows = {run.profile: verdicts(run) for run in runs}
    items = [(flaw, FLAWS[flaw]) for flaw in own.flaws]
    code = departures()
    for number in dict.fromkeys(_departures()[each] for each in own.departures):
        its = code[code["id"] == number].iloc[0]
        items.append((number, f"{its['code']} {its['effect']}"))
    for each in own.claims:
        said = "; ".join(f"{profile}: {_outcome(found, [each])}" for profile, found in rows.items())
        items.append((each, f"{claim(each).what} ({said})"))
    folded = "".join(f"<li><b>{html.escape(label)}</b> {html.escape(text)}</li>" for label, text in items)
    guards = "".join(f"<li>{_guard(each, runs[0].profile)}</li>" for each in own.guards)
    return HTML(
        f"<p><b>Ask:</b> {html.escape(own.ask)}</p>"
        f"<details><summary>Its {len(items)} instances</summary><ul>{folded}</ul></details>"
        f"<p>What guards against it here:</p><ul>{guards}</ul>"
    )


def held_table(runs: Sequence[Results]) -> HTML:
    """Claims of which a part was tested in some run and held in each that tested it: a row each, with these parts."""
    rows = pd.concat([verdicts(run).assign(profile=run.profile) for run in runs])
    rows = rows[rows["verdict"].isin([*HELD, DIFFERS])]
    held = rows.groupby(["id", "part"], sort=False)["verdict"].agg(lambda own: set(own) <= set(HELD))
    kept = rows[pd.MultiIndex.from_frame(rows[["id", "part"]]).isin(held[held].index)]
    made = []
    for name, own in kept.groupby("id", sort=False):
        parts, where = own["part"].unique(), list(own["profile"].unique())
        everywhere = own.groupby("part")["profile"].nunique().min() == len(runs) > 1
        made.append(
            {
                "claim": f"{name}: {claim(str(name)).what}",
                "what was compared": "; ".join(claim(str(name)).parts[part].label for part in parts),
                "held in": "every run" if everywhere else ", ".join(where),
            }
        )
    frame = pd.DataFrame(made, columns=["claim", "what was compared", "held in"])
    return table(frame, "What held in every run that could test it: the paper's direction, or its number", list(frame))


def _held(rows: pd.DataFrame, ids: Sequence[str]) -> str:
    """ "3 of 5": parts of these claims that held, of those that were tested; a dash where none was."""
    counts = Counter(rows.loc[rows["id"].isin(ids), "verdict"])
    held = sum(counts[verdict] for verdict in HELD)
    tested = held + counts[DIFFERS]
    return f"{held} of {tested}" if tested else "–"


def _outcome(rows: pd.DataFrame, ids: Sequence[str]) -> str:
    """ "3 of 5 held, 1 impossible" of the parts of these claims."""
    held, impossible = _held(rows, ids), int((rows["id"].isin(ids) & (rows["verdict"] == IMPOSSIBLE)).sum())
    said = [f"{held} held"] if held != "–" else []
    return ", ".join([*said, *([f"{impossible} impossible"] if impossible else [])]) or "none tested"


def _guard(own: Guard, profile: str) -> str:
    """A guard with a link to its page, seen from the pages that stand once; profile: whose page it is where each run has one."""
    what = html.escape(own.what)
    if own.page:
        place = own.page.format(profile=profile)
        way = f"../../{place}" if place.startswith("book/") else place
        what = f'<a href="{html.escape(way, quote=True)}.html">{what}</a>'
    marks = [f"law {own.law}: {LAWS[own.law]}"] if own.law else []
    marks += [f"<code>tests/{html.escape(own.test)}</code>"] if own.test else []
    return what + (f" ({'; '.join(marks)})" if marks else "") + "."


def _spans(ids: Sequence[str]) -> Iterator[str]:
    numbers = sorted(int(each[1:]) for each in ids)
    start = 0
    for i in range(1, len(numbers) + 1):
        if i == len(numbers) or numbers[i] != numbers[i - 1] + 1:
            run = numbers[start:i]
            yield from ([f"C{run[0]}–C{run[-1]}"] if len(run) > 2 else [f"C{n}" for n in run])
            start = i


@cache
def _departures() -> dict[str, str]:
    """Every number from C1 to C36 with the id of its row, which may hold several."""
    found = {}
    for row in departures()["id"]:
        for part in row.split(", "):
            first, _, last = part.replace("C", "").partition("–")
            found |= {f"C{n}": row for n in range(int(first), int(last or first) + 1)}
    return found


@cache
def _read() -> Mapping[str, Lesson]:
    text = Path(txray_lib.__file__).with_name("lessons.yaml").read_text(encoding="utf-8")
    return {own.id: own for own in map(parse, yaml.safe_load(text))}
