"""Provenance: profile, seed, corpora, versions, commit, command — read from what is, not from what is said."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from txray_lib.provenance import commit, provenance, versions


@pytest.fixture
def checkout(workplace) -> Path:
    """The workplace as a git checkout of one commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@b", *arguments],
            cwd=workplace,
            check=True,
            capture_output=True,
        )
    return workplace


def test_every_part_is_there(monkeypatch, workplace):
    monkeypatch.setattr(sys, "argv", ["/some/where/bin/txray", "run", "my profile.yaml"])
    source = provenance("tiny", 3, {"wiki": "ab"}, versions(), "abc")
    assert (source["profile"], source["seed"], source["corpora"]) == ("tiny", 3, {"wiki": "ab"})
    assert source["weights"] == "abc"
    assert source["command"] == "txray run 'my profile.yaml'", "no path of this machine"
    assert source["versions"]["python"] == platform.python_version()
    assert source["versions"]["numpy"] == np.__version__
    assert {"txray_lib", "torch", "pandas", "pyarrow", "scipy"} <= set(source["versions"])
    assert datetime.fromisoformat(source["created"]).tzinfo is not None
    assert json.loads(json.dumps(source)) == source


def test_outside_git_the_commit_is_unknown(workplace):
    assert commit() == "unknown"


def test_the_commit_is_the_checkouts(checkout):
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True).stdout.strip()
    assert commit() == head
    assert len(head) == 40


def test_changes_to_tracked_files_show_and_others_do_not(checkout):
    (checkout / "untracked.txt").write_text("x")
    assert "+changes" not in commit()
    (checkout / "profiles" / "tiny.yaml").write_text("seed: 2\n")
    assert commit().endswith("+changes")


def test_without_git_the_commit_is_unknown(monkeypatch, checkout):
    monkeypatch.setenv("PATH", "")
    assert commit() == "unknown"
