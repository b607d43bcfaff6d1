"""What code a result follows from: the files that a module imports, at any level, and the packages. May touch: nothing.

Read from the import statements themselves, so that no list of them is kept by hand. What stands under `TYPE_CHECKING` is not
imported when the code runs. Snakemake gets the hash as a parameter, since its own trigger for code does not follow imports.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).parents[1]
_DATA = (".yaml", ".npz")
_CALLED = {"yaml": "PyYAML", "vl_convert": "vl-convert-python"}
"""Packages that are imported under another name than they are installed by."""
_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)
_CELL = re.compile(r"^```\{code-cell\}.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def code_hash(*sources: Path) -> str:
    """A hash of source files (modules, or text notebooks), of all of the library that they import, and of versions."""
    files = {file for source in sources for file in files_of(source)} | set(sources)
    packages = {name for file in files for name in _imports(file) if not name.startswith("txray_lib")}
    digest = hashlib.sha256(f"python {sys.version_info[:2]}".encode())
    for file in sorted(files):
        digest.update(f"{file.name}\0".encode() + hashlib.sha256(_read(file)).digest())
    for package in sorted({name.partition(".")[0] for name in packages} - sys.stdlib_module_names):
        digest.update(f"{package} {_version(package)}\0".encode())
    return digest.hexdigest()[:16]


def module_file(name: str) -> Path:
    """The file of a module of the library, as "steps.train"."""
    return LIBRARY / f"{name.replace('.', '/')}.py"


@cache
def files_of(source: Path) -> frozenset[Path]:
    """The files of the library that a module or a text notebook imports, and the data files beside them or named in them."""
    found: set[Path] = set()
    queue = [source]
    while queue:
        file = queue.pop()
        if file in found:
            continue
        found.add(file)
        queue += [own for name in _imports(file) if name.startswith("txray_lib") for own in _modules(name)]
    return frozenset(found.union(*map(_data, found)))


@cache
def _data(file: Path) -> tuple[Path, ...]:
    """The data files of the library that lie beside a module in its folder, or that it names."""
    text = file.read_text(encoding="utf-8")
    beside = file.parent if file.parent != LIBRARY else None
    return tuple(each for each in _every_data() if each.name in text or each.parent == beside)


@cache
def _every_data() -> tuple[Path, ...]:
    return tuple(file for file in LIBRARY.rglob("*") if file.suffix in _DATA)


@cache
def _modules(name: str) -> tuple[Path, ...]:
    """The files that importing a dotted name runs: the packages on the way, and the module itself."""
    parts = name.split(".")[1:]
    paths = [LIBRARY.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    candidates = [path / "__init__.py" for path in paths] + [path.with_suffix(".py") for path in paths[1:]]
    return tuple(file for file in candidates if file.is_file())


@cache
def _imports(file: Path) -> frozenset[str]:
    """Dotted names that a file imports, at any level; `from a import b` is `a` and `a.b`."""
    if file.suffix not in (".py", ".md"):
        return frozenset()
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        lines = "\n".join(_CELL.findall(text)).splitlines()
        text = "\n".join(re.sub(r"^(\s*)[:%!].*", r"\1pass", line) for line in lines)
    return frozenset(_named(ast.parse(text)))


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _STATEMENTS):
            yield from _named(child)


def _read(file: Path) -> bytes:
    return file.read_bytes()


@cache
def _version(package: str) -> str:
    try:
        return importlib.metadata.version(_CALLED.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        return "none"


def forget() -> None:
    """Read every file anew: a process that lives on, as a notebook's, may see them change."""
    for cached in (files_of, _data, _every_data, _modules, _imports, _version):
        cached.cache_clear()
