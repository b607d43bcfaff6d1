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


def provenance(profile: str, seed: int, corpora: dict[str, str]) -> dict[str, Any]:
    """What every table carries: profile, seed, content hashes of the corpora, versions, commit, command."""
    return {
        "profile": profile,
        "seed": seed,
        "corpora": corpora,
        "versions": _versions(),
        "commit": commit(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def commit() -> str:
    """The checkout's commit, with `+changes` where tracked files differ from it; 'unknown' outside git."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=places.root(), capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _versions() -> dict[str, str]:
    versions = {"txray_lib": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
