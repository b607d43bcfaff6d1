"""What went wrong in the paper and its code, as data: complete, each thing once, and nothing is named that does not exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

import txray_lib
from txray_lib.paper import judged

TESTS = Path(__file__).resolve().parents[1]
FOLDER = Path(txray_lib.__file__).parent
FILES = (FOLDER / "departures.yaml", FOLDER / "lessons.yaml")
DEPARTURES, LESSONS = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in FILES)


def numbers(ids: str) -> Iterator[int]:
    """The numbers in "C1", "C23, C24" or "C32–C36"."""
    for part in ids.split(", "):
        first, *last = (int(n) for n in re.findall(r"\d+", part))
        yield from range(first, (last or [first])[0] + 1)


def instances(kind: str) -> list[str]:
    return [own for lesson in LESSONS for own in lesson.get(kind, [])]


def test_every_departure_from_c1_to_c36_is_listed_once_and_says_what_it_does():
    assert sorted(n for row in DEPARTURES for n in numbers(row["id"])) == list(range(1, 37))
    for row in DEPARTURES:
        assert set(row) - {"switch"} == {"id", "group", "code", "paper", "effect"}
        assert all(row.values())


def test_every_flaw_and_every_departure_is_an_instance_of_some_pattern():
    assert set(instances("flaws")) == {f"I{n}" for n in range(1, 10)}
    assert set(instances("departures")) == {f"C{n}" for n in range(1, 37)}


def test_every_pattern_has_a_question_a_guard_and_an_instance():
    for lesson in LESSONS:
        assert set(lesson) <= {"id", "name", "ask", "guards", "flaws", "departures", "claims"}
        assert lesson["ask"].endswith("?")
        assert all(guard["what"] for guard in lesson["guards"])
        assert any(lesson.get(kind) for kind in ("flaws", "departures", "claims"))
    assert judged(*instances("claims"))


def test_every_test_that_guards_exists():
    named = [guard["test"] for lesson in LESSONS for guard in lesson["guards"] if "test" in guard]
    assert named
    for test in named:
        file, _, function = test.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test
