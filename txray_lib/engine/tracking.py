"""What code a result follows from: the files that a module imports, at any level, and the packages. May touch: nothing.

Read from the import statements themselves, so that no list of them is kept by hand. What stands under `TYPE_CHECKING` is not
imported when the code runs. Snakemake gets the hash as a parameter, since its own trigger for code does not follow imports.
"""

import hashlib
import importlib.metadata
import re
import sys
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).parents[1]
_DATA = (".yaml", ".npz")
_CALLED = {"yaml": "PyYAML", "vl_convert": "vl-convert-python"}
"""Packages that are imported under another name than they are installed by."""
_CELL = re.compile(r"^```\{code-cell\}.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"#.*|^if TYPE_CHECKING:\n(?:(?:[ \t].*)?\n)*", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*(?:import (.+)|from ([\w.]+) import (\([^)]*\)|.+))", re.MULTILINE)
"""An import statement, as the formatter writes them: one a line, or its names in parentheses."""


def code_hash(*sources: Path) -> str:
    """A hash of source files (modules, or text notebooks), of all of the library that they import, and of versions."""
    files = {file for source in sources for file in files_of(source)} | set(sources)
    packages = {name.partition(".")[0] for file in files for name in _imports(file)}
    digest = hashlib.sha256(f"python {sys.version_info[:2]}".encode())
    for file in sorted(files):
        digest.update(f"{file.name}\0".encode() + _digest(file))
    for package in sorted(packages - sys.stdlib_module_names - {"txray_lib"}):
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
        if file not in found:
            found.add(file)
            queue += [own for name in _imports(file) for own in _modules(name)]
    return frozenset(found.union(*map(_data, found)))


@cache
def _data(file: Path) -> tuple[Path, ...]:
    """The data files of the library that lie beside a module in its folder, or that it names."""
    text = _read(file).decode()
    beside = file.parent if file.parent != LIBRARY else None
    return tuple(each for each in _every_data() if each.name in text or each.parent == beside)


@cache
def _every_data() -> tuple[Path, ...]:
    return tuple(file for file in LIBRARY.rglob("*") if file.suffix in _DATA)


@cache
def _modules(name: str) -> tuple[Path, ...]:
    """The files of the library that importing a dotted name runs: the packages on the way, and the module itself."""
    library, *parts = name.split(".")
    if library != "txray_lib":
        return ()
    paths = [LIBRARY.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    candidates = [path / "__init__.py" for path in paths] + [path.with_suffix(".py") for path in paths[1:]]
    return tuple(file for file in candidates if file.is_file())


@cache
def _imports(file: Path) -> frozenset[str]:
    """Dotted names that a file imports, at any level; `from a import b` is `a` and `a.b`."""
    if file.suffix not in (".py", ".md"):
        return frozenset()
    text = _read(file).decode()
    if file.suffix == ".md":
        text = "\n".join(_CELL.findall(text))
    found = set()
    for plain, package, names in _IMPORT.findall(_NOT_RUN.sub("", text)):
        given = [name.split()[0] for name in (plain or names).strip("() \n").split(",") if name.strip()]
        found |= {package, *(f"{package}.{name}" for name in given)} if package else set(given)
    return frozenset(found)


@cache
def _digest(file: Path) -> bytes:
    return hashlib.sha256(_read(file)).digest()


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
    for cached in (files_of, _data, _every_data, _modules, _imports, _digest, _version):
        cached.cache_clear()
