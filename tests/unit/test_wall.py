"""The shape of the house: a room imports only rooms before it, and nothing heavy crosses the wall between the halves."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "txray_lib"
BELOW = "errors places progress tables tags provenance settings profiles stages".split()
COMPUTING = (
    "corpora worlds example tagging encoders preferences slots collection rereading probe one_sentence transfer measures nulls"
    " planted pruning paper results audit steps engine runs"
).split()
TELLING = "figures page explorer course book".split()
DRAWS_OR_BUILDS = set("altair vl_convert papermill jupytext sphinx IPython nbformat myst_nb docutils".split())
COMPUTES = {"torch", "flair", "safetensors"}
TORCH_FREE = {"engine", "preferences", "transfer", "corpora", "planted", "paper", "results", "audit"}

MODULES = sorted(LIBRARY.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(LIBRARY).with_suffix("").parts)


def room_of(path: Path) -> str:
    return path.relative_to(LIBRARY).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Dotted names of all that a module imports, at any level; `from txray_lib import a` is `txray_lib.a`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module == "txray_lib":
                yield from (f"txray_lib.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def rooms_imported(path: Path) -> set[str]:
    own = {name.split(".")[1] for name in imported(path) if name.startswith("txray_lib.")}
    return own - {room_of(path), "__version__"}


def half(rooms: list[str]) -> list[Path]:
    return [path for path in MODULES if room_of(path) in rooms]


def test_every_module_belongs_to_a_known_room():
    assert {room_of(path) for path in MODULES} <= {*BELOW, *COMPUTING, *TELLING, "cli", "__init__"}


@pytest.mark.parametrize("path", half(BELOW + COMPUTING), ids=name_of)
def test_a_room_imports_only_rooms_before_it(path):
    order = BELOW + COMPUTING
    before = set(order[: order.index(room_of(path))])
    assert rooms_imported(path) <= before


@pytest.mark.parametrize("path", half(TELLING), ids=name_of)
def test_a_telling_room_imports_only_telling_rooms_before_it_and_what_needs_no_torch(path):
    before = {*BELOW, *TORCH_FREE, *TELLING[: TELLING.index(room_of(path))]}
    assert rooms_imported(path) <= before


@pytest.mark.parametrize("path", half(BELOW + COMPUTING), ids=name_of)
def test_the_computing_half_draws_builds_and_tags_nothing(path):
    packages = {name.split(".")[0] for name in imported(path)}
    forbidden = DRAWS_OR_BUILDS | (set() if room_of(path) == "tagging" else {"flair"})
    assert not packages & forbidden


@pytest.mark.parametrize("path", half(TELLING), ids=name_of)
def test_the_telling_half_never_imports_torch_or_flair(path):
    assert not {name.split(".")[0] for name in imported(path)} & COMPUTES


@pytest.mark.parametrize("path", half([*TELLING, "cli"]), ids=name_of)
def test_only_the_command_line_crosses_the_wall_and_only_inside_its_commands(path):
    if room_of(path) == "cli":
        top = [n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.ImportFrom)]
        named = {alias.name for node in top if node.module == "txray_lib" for alias in node.names}
        named |= {node.module.split(".")[1] for node in top if (node.module or "").startswith("txray_lib.")}
        assert named <= set(BELOW)
    else:
        assert "cli" not in rooms_imported(path)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_stays_under_400_lines_and_says_what_room_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400
    assert ast.get_docstring(ast.parse(text)), "a module's docstring says what room of the house it is"


def check_imports_without(blocked: set[str], modules: list[str], then: str = "") -> None:
    """Import the modules in a new Python in which some packages cannot be imported."""
    code = f"""
import importlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(blocked)!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
for module in {modules!r}:
    importlib.import_module(module)
{then}
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr[-3000:]


def importable(rooms: list[str]) -> list[str]:
    return ["txray_lib." + name_of(path).removesuffix(".__init__") for path in half(rooms)]


def test_the_computing_half_runs_where_nothing_draws_tags_or_builds():
    modules = [name for name in importable(BELOW + COMPUTING) if not name.endswith("tagging.own")]
    check_imports_without(DRAWS_OR_BUILDS | {"flair", "playwright", "snakemake"}, [*modules, "txray_lib.cli"])


def test_the_telling_half_runs_without_torch():
    pytest.importorskip("altair", reason="the telling half needs altair: pip install 'txray-lib[book]'")
    check_imports_without(COMPUTES, importable([*BELOW, *TELLING, *TORCH_FREE]))


def test_the_command_line_starts_without_torch_or_altair():
    check_imports_without(COMPUTES | DRAWS_OR_BUILDS, ["txray_lib.cli"], "assert 'pandas' not in sys.modules")
