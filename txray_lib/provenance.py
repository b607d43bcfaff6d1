"""Where a number comes from. Below every room; may touch: places."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from txray_lib import __version__, places

_PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "flair")


def provenance(
    profile: str, seed: int | list[int], corpora: dict[str, str], versions: dict[str, str], weights: str
) -> dict[str, Any]:
    """What every table carries: profile, seed or seeds, content hashes of the corpora, versions, commits, command.

    versions  of the packages that computed it; weights: the commit that trained the encoder, where `commit` is the one
              that made the table
    """
    return {
        "profile": profile,
        "seed": seed,
        "corpora": corpora,
        "versions": versions,
        "commit": commit(),
        "weights": weights,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def commit() -> str:
    """The checkout's commit, with `+changes` where its code or profiles differ; 'unknown' outside git."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=places.root(), capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+changes" if git("status", "--porcelain", "--", "txray_lib", "profiles") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Versions of the packages that a number depends on."""
    found = {"txray_lib": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
