"""The shape of the house: a room imports only rooms before it, and nothing heavy crosses the wall between the halves."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "txray_lib"
BELOW = ["errors", "places", "progress", "tables", "settings", "profiles", "stages"]
COMPUTING = [
    *("corpora", "worlds", "example", "tagging", "encoders", "preferences", "collection", "layers", "probe"),
    *("one_sentence", "transfer", "nulls", "planted", "pruning", "paper", "results", "audit", "steps", "engine"),
]
TELLING = ["figures", "page", "explorer", "course", "book"]
DRAWS_OR_BUILDS = set(
    ["altair", "vl_convert", "papermill", "jupytext", "sphinx", "IPython", "nbformat", "myst_nb", "docutils"]
)
COMPUTES = {"torch", "flair", "safetensors"}
TORCH_FREE = {"engine", "preferences", "transfer", "corpora", "planted", "paper", "results", "audit"}

MODULES = sorted(LIBRARY.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(LIBRARY).with_suffix("").parts)


def room_of(path: Path) -> str:
    return path.relative_to(LIBRARY).with_suffix("").parts[0]


@cache
def imported(path: Path) -> frozenset[str]:
    """Dotted names of all that a module imports, at any level; `from txray_lib import a` is `txray_lib.a`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            whole = node.module == "txray_lib"
            names |= {f"txray_lib.{alias.name}" for alias in node.names} if whole else {node.module or ""}
    return frozenset(names)


def rooms_imported(path: Path) -> set[str]:
    own = {name.split(".")[1] for name in imported(path) if name.startswith("txray_lib.")}
    return own - {room_of(path), "__version__"}


def packages_imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def half(rooms: Iterable[str]) -> list[Path]:
    return [path for path in MODULES if room_of(path) in rooms]


def test_every_module_belongs_to_a_known_room():
    assert {room_of(path) for path in MODULES} <= {*BELOW, *COMPUTING, *TELLING, "cli", "__init__"}


@pytest.mark.parametrize("order", [BELOW + COMPUTING, TELLING], ids=["computing", "telling"])
def test_a_room_imports_only_rooms_before_it_and_telling_ones_of_the_others_what_needs_no_torch(order):
    others = {*BELOW, *TORCH_FREE} if order is TELLING else set()
    for path in half(order):
        assert rooms_imported(path) <= others | set(order[: order.index(room_of(path))]), name_of(path)


def test_the_computing_half_draws_builds_and_tags_nothing_and_the_telling_half_has_no_torch():
    for path in half(BELOW + COMPUTING):
        forbidden = DRAWS_OR_BUILDS | (set() if room_of(path) == "tagging" else {"flair"})
        assert not packages_imported(path) & forbidden, name_of(path)
    for path in half(TELLING):
        assert not packages_imported(path) & COMPUTES, name_of(path)


def test_only_the_command_line_crosses_the_wall_and_only_inside_its_commands():
    assert not [path for path in half(TELLING) if "cli" in rooms_imported(path)]
    tree = ast.parse((LIBRARY / "cli.py").read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    named = {alias.name for node in top if node.module == "txray_lib" for alias in node.names}
    named |= {node.module.split(".")[1] for node in top if (node.module or "").startswith("txray_lib.")}
    assert named <= set(BELOW)


def test_a_module_stays_under_400_lines_and_says_what_room_it_is():
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, name_of(path)
        assert ast.get_docstring(ast.parse(text)), name_of(path)


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


def test_a_planted_study_is_computed_without_torch():
    live = """
from txray_lib.planted import study_tables
from txray_lib.profiles import TruthStudy

noises = {"none": {"jitter": 0.0, "flips": 0.0, "strays": 0.0}}
shares = {"replaced": 0.2, "lost": 0.1, "silenced": 0.05, "unused": 0.05, "depth": 4}
plan = {"units": 40, "sizes": [0.1, 0.5, 1.0], **shares}
study = dict(tokens=[1_500], seeds=1, noises=noises, ways=["argmax"], texts=["one"], plan=plan, permutations=20)
assert all(map(len, study_tables(TruthStudy(**study, cap=40, population=12_000, words=1_000), seed=1).values()))
"""
    check_imports_without(COMPUTES, [], live)


def test_the_command_line_starts_without_torch_or_altair():
    check_imports_without(COMPUTES | DRAWS_OR_BUILDS, ["txray_lib.cli"], "assert 'pandas' not in sys.modules")
