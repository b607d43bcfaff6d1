"""What README, CONTRIBUTING and the pages print can be typed: commands are parsed by the command line, parameters are read.

The Python blocks of README and `book/own.md` are run in `test_own_chapter.py` and `test_transformers.py`, changes of a cell
that a page proposes in `test_pages.py`.
"""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml
from running import printed_code

from txray_lib import cli
from txray_lib.book.notebooks import find_notebook, list_notebooks, parameters_of, read_values
from txray_lib.profiles import list_profiles, load_profile
from txray_lib.results import PARAMETERS, check_parameters

REPOSITORY = Path(__file__).resolve().parents[1]
TEXTS = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")]
TEXTS += [*sorted((REPOSITORY / "book").glob("*.md")), *list_notebooks().values()]
WRITTEN = {"wide", "mine", "mine/mine.yaml", "NAME-seed-N"}
"""Profiles that the texts tell a reader to write, or to name."""


def commands(text: Path) -> list[str]:
    """Every command that a text prints: lines of its blocks, indented ones too, and code between words."""
    whole = text.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:bash)?\n(.*?)^```", whole, re.S | re.M)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"^    (\S.*)", whole, re.M) if text.name == "README.md" else []
    known = re.compile(r"(?:\w+=\S+ )?(?:\.venv/bin/)?(?:txray|make|papermill|snakemake|python) \S")
    return [line for line in [*lines, *printed_code(text)] if known.match(line)]


def check_command(line: str) -> None:
    words = [word for word in shlex.split(line, comments=True) if not re.fullmatch(r"TXRAY_\w+=\S+", word)]
    program, *given = words
    if program.endswith("txray"):
        check_txray(given)
    elif program == "make":
        rules = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
        for word in given:
            name, is_value, _ = word.partition("=")
            assert re.search(rf"\b{name}\b" if is_value else rf"^{name}:", rules, re.M), word
    elif program == "papermill":
        pairs = zip(given[3::3], given[4::3], strict=True)
        check_page(Path(given[0]).stem, dict(pairs))
    elif program == "snakemake":
        assert all((REPOSITORY / word).exists() for word in given if "/" in word)
    else:
        pytest.fail(f"no way to check {line}")


def check_txray(given: list[str]) -> None:
    group = typer.main.get_command(cli.app)
    if len(given) == 1:  # a command that is named, without its arguments
        assert given[0] in group.commands
        return
    with group.make_context("txray", list(given)) as context:
        name, command, rest = group.resolve_command(context, given)
        asked = command.make_context(name, rest, parent=context).params
    if name == "notebook":
        check_page(asked["name"], dict(pair.split("=", 1) for pair in asked["parameter"] or ()))
    elif name in ("run", "freeze"):
        assert asked["profile"] in {*WRITTEN, *list_profiles()}


def check_page(name: str, given: dict[str, str]) -> None:
    """Parameters of a page are known, of their type, and within their limits."""
    source = find_notebook(name)
    values = read_values(given, parameters_of(source), source)
    check_parameters(**{key: value for key, value in values.items() if key in {*PARAMETERS} - {"profile"}})


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_every_command_that_is_printed_is_one(text: Path) -> None:
    for line in commands(text):
        check_command(line)


@pytest.mark.parametrize("name", sorted(list_notebooks()))
def test_every_value_that_a_page_proposes_for_a_parameter_is_one(name: str) -> None:
    source = list_notebooks()[name]
    for code in printed_code(source):
        parameter, equals, value = code.partition(" = ")
        if equals and parameter in parameters_of(source):
            given = read_values({parameter: ast.literal_eval(value)}, parameters_of(source), source)
            check_parameters(**{key: each for key, each in given.items() if key in PARAMETERS})


@pytest.mark.parametrize("text", sorted((REPOSITORY / "book").glob("*.md")), ids=lambda text: text.stem)
def test_printed_blocks_fit_the_column(text: Path) -> None:
    for block in re.findall(r"^```(?:python|yaml|bash)?\n(.*?)^```", text.read_text(encoding="utf-8"), re.S | re.M):
        assert max(map(len, block.splitlines())) <= 74, block


def test_every_profile_that_is_printed_can_be_read(tmp_path: Path) -> None:
    whole = "\n".join(text.read_text(encoding="utf-8") for text in TEXTS)
    printed = re.findall(r"^```yaml\n(.*?)^```", whole, re.S | re.M)
    assert len(printed) >= 4
    for number, block in enumerate(printed):
        named = "mine" if "path: text.txt" in block else f"printed-{number}"  # which the others build on
        (tmp_path / f"{named}.yaml").write_text(block, encoding="utf-8")
        profile = load_profile(str(tmp_path / f"{named}.yaml"))
        assert (profile.name, profile.about) == (named, yaml.safe_load(block)["about"])
