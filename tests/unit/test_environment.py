"""One set of versions, in one place: the lock file, what pyproject.toml asks for, environment.yml and what is installed."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
LINES = [line for line in LOCK if line and not line.startswith("#")]
PINNED = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in LINES)}
EXTRAS = {name: asked for name, asked in PROJECT["optional-dependencies"].items() if name != "minilm"}
"""All but the weights of a model, which only a run that nothing else waits for reads."""
ASKED = [*PROJECT["dependencies"], *(one for asked in EXTRAS.values() for one in asked)]


def test_the_lock_pins_each_package_once_and_all_that_the_project_asks_for():
    assert [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    assert len(PINNED) == len(LINES)
    for requirement in map(Requirement, ASKED):
        version = PINNED.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in requirements.lock"
        assert requirement.specifier.contains(version), requirement


def test_the_environment_file_and_the_lock_agree():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [d for d in environment["dependencies"] if isinstance(d, str)]
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert conda == ["python=3.11", "pip"], "a package that conda installs could differ from the lock's"
    assert pip == ["-r requirements.lock", "--editable ."]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains("3.11")


def test_what_is_installed_is_what_the_lock_says():
    if ".venv" not in Path(sys.prefix).parts:
        pytest.skip("these tests run outside the project's own environment: versions were NOT compared with the lock")
    found = {canonicalize_name(d.metadata["Name"]): d.version for d in importlib.metadata.distributions()}
    assert {name: found.get(name, "").partition("+")[0] for name in PINNED} == PINNED
