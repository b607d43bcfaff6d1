"""What a run needs of the machine, told before it starts: room on the disk, a device that computes. May touch: flow, profiles."""

from __future__ import annotations

import shutil

from txray_lib.errors import TxrayError
from txray_lib.flow import Run
from txray_lib.profiles import Profile


def require_disk(run: Run) -> None:
    """Raise TxrayError where the disk has too little room for the run's cache."""
    need = _disk_bytes(run.profile)
    folder = next(p for p in (run.folder, *run.folder.parents) if p.exists())
    free = shutil.disk_usage(folder).free
    if free < need:
        raise TxrayError(
            f"the profile {run.profile.name!r} needs about {need / 1e6:.0f} MB in {run.folder}, and {free / 1e6:.0f} MB are free. "
            "Free some space, or set TXRAY_ROOT to a folder on another disk that holds profiles/."
        )


def require_device(device: str) -> None:
    """Raise TxrayError where torch cannot compute on `device`."""
    if device == "cpu":
        return
    import torch

    try:
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise TxrayError(
            f"torch cannot compute on the device {device!r} ({reason}). Choose cpu, or cuda on a machine with a GPU."
        ) from None


def _disk_bytes(profile: Profile) -> float:
    if profile.truth:
        return 10e6
    weights = 4 * (
        profile.vocabulary.size * profile.pretraining.embedding_size + 4 * profile.pretraining.units**2 * 1.5
    )
    states = 4 * profile.pretraining.units * sum(profile.finetuning.reviews.model_dump().values())
    text = 150e6 if profile.corpora.target.source == "imdb" else 20e6
    asked = profile.controls
    finetunings, snapshots = asked.shuffled_labels + asked.finetuning_seeds, 7 if asked.constant_rate else 0
    copies, read = 12 + 4 * finetunings + snapshots, 6 + finetunings + snapshots
    return copies * weights + states + 30 * read * profile.collection.tokens + text
