"""Menus from which answers in words are put together, and what is said of each choice. May touch: errors, checked.

A choice is judged as a set: the hint of the first wrong letter, or how many are missing.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

from IPython.display import HTML

from txray_lib.course.checked import Hint
from txray_lib.errors import TxrayError, nearest


@dataclass(frozen=True)
class Option:
    """A line of a menu: its text, whether it belongs to the right answer, and what is said of choosing it if not."""

    text: str
    right: bool = False
    hint: str = ""


MENUS: dict[str, dict[str, Option]] = {
    "corner": {
        "a": Option(
            "the neuron has few features, and hardly any of them on both sides",
            right=True,
        ),
        "b": Option(
            "the neuron became more important for the classifier",
            hint="Nothing in this figure measures what the classifier uses.",
        ),
        "c": Option(
            "with so few features a distance is coarse: one feature more or less moves it far",
            right=True,
        ),
        "d": Option(
            "the neuron has learned nothing",
            hint="Learning is not on an axis; a low point would be nearer to that than a high one.",
        ),
        "e": Option(
            "before supervision the neuron preferred nothing",
            hint="Such a neuron is gained, and a gained neuron has no distance: where could it be drawn?",
        ),
    },
    "change": {
        "a": Option("the labels of the reviews, which are dealt anew among the reviews", right=True),
        "b": Option(
            "the encoder that fine-tuning starts from, an untrained one instead",
            hint="Then the encoder before differs too, and you compare two pretrainings, not the effect of labels.",
        ),
        "c": Option(
            "the reviews that are read, another half of them",
            hint="That measures what another text does to a distance. The claim is about labels.",
        ),
        "d": Option(
            "the training, left out altogether",
            hint="The same weights on the same text give 0 by the method's first law: you would learn nothing from it.",
        ),
        "e": Option(
            "the distance, another measure in its place",
            hint="Another measure shows whether the finding hangs on the formula. The claim is about its cause.",
        ),
    },
    "keep": {
        "a": Option("the encoder that fine-tuning starts from", right=True),
        "b": Option("how often weights are updated, and at which rate", right=True),
        "c": Option("the reviews that both stages read", right=True),
        "d": Option(
            "F1 on the test reviews",
            hint="You cannot keep F1: it follows from what you change, and should fall if the control is what it says.",
        ),
        "e": Option("the distance, and which neurons are compared", right=True),
        "f": Option(
            "which neurons are gained",
            hint="What is gained is an outcome: whoever holds it fixed has nothing left to measure.",
        ),
    },
    "against": {
        "a": Option(
            "with the control, distances are about as large as with the labels",
            right=True,
        ),
        "b": Option(
            "with the control, distances are near 0",
            hint="That would be what the claim predicts: without meaning in the labels, no change.",
        ),
        "c": Option(
            "with the control, F1 is no better than guessing",
            hint="That shows that the control did its work, not that the claim is wrong.",
        ),
    },
    "critique": {
        "a": Option(
            "random sets of as many neurons were not removed for comparison, so nobody knows whether the effect is large",
            right=True,
        ),
        "b": Option(
            "a neuron that is never the most excited one can still be active, and the classifier reads it too",
            right=True,
        ),
        "c": Option(
            "avoided neurons are always 0, so it is trivial that their removal changes nothing",
            hint="Argmax keeps one neuron a token. A neuron that never wins is not 0.",
        ),
        "d": Option(
            "one encoder was trained with one seed, and a few neurons may be this run's alone",
            right=True,
        ),
        "e": Option(
            "Hellinger distance is the wrong distance for pruning",
            hint="Sets for pruning are made from states and masses; no distance is used.",
        ),
        "f": Option(
            "no change of F1 proves that the neurons hold no knowledge",
            hint="This is the conclusion in other words, not an objection to it: others may hold the same knowledge.",
        ),
    },
}
DESIGN = ("change", "keep", "against")
SAID = {
    "corner": "Both are about the same thing: there is little text behind such a point.",
    "critique": "The table of random sets answers one of these; the others would need an experiment of their own.",
}


def menu(name: str) -> HTML:
    """A menu as a list with letters. Raises TxrayError for a name that no menu has."""
    if name not in MENUS:
        raise TxrayError(f"there is no menu {name!r}. {nearest(name, MENUS)}")
    lines = "".join(f"<li>{html.escape(option.text)}</li>" for option in MENUS[name].values())
    return HTML(f'<ol class="txray-menu" type="a">{lines}</ol>')


def judged_choice(name: str, chosen: frozenset[str]) -> str:
    """What is said of the right choice from a menu; raises Hint for another."""
    _judge(MENUS[name], chosen, "")
    return SAID[name]


def judge(design: Mapping[str, frozenset[str]]) -> str:
    """What is said of the right design of a control; raises Hint for another."""
    if len(design["change"]) > 1:
        raise Hint("More than one thing changes here. If the result changes, to which of them would you put it down?")
    for name in DESIGN:
        _judge(MENUS[name], design[name], f"`{name}`: ")
    return "One thing changes, all else that could move a distance is kept, and a result is named that would refute the claim."


def _judge(options: Mapping[str, Option], chosen: frozenset[str], where: str) -> None:
    for letter in sorted(chosen):
        if not options[letter].right:
            raise Hint(f"{where}{letter} does not belong here. {options[letter].hint}")
    missing = sum(option.right for option in options.values()) - len(chosen)
    if missing:
        more = "one more does" if missing == 1 else f"{missing} more do"
        raise Hint(f"{where}What you chose belongs here, and {more} too.")
