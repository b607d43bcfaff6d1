"""What a run will cost, told before it starts. May touch: flow, profiles, readings.

An estimate from the arithmetic of the model and the matrix-product rate that this machine reaches just now. Reading,
tagging and start-up are rough constants of a two-core machine.
"""

from __future__ import annotations

import shutil
import time

from txray_lib.errors import TxrayError
from txray_lib.flow import Run
from txray_lib.profiles import Profile

_EFFICIENCY = 0.7  # of training against the product measured here: 0.65 to 0.71 on two cores
_WIKITEXT_TOKENS = 2_089_000
_REVIEW_TOKENS = {"world": 60, "imdb": 230, "file": 230}
_BYTES_OF_A_TOKEN = 5
_FIXED_SECONDS = {
    "corpora": 10,
    "tags": 8,
    "vocabulary": 5,
    "preferences": 3,
    "transfer": 3,
    "nulls": 5,
    "prune": 5,
    "definitions": 6,
    "controls": 4,
    "truth-words": 2,
    "sentence": 2,
    "tables": 5,
}
_READING_SECONDS = {"imdb": 60, "wikitext-2": 10, "world": 10, "file": 5}
_TAGS_A_SECOND = 25_000
_TAGS = 45
_PROBE_READINGS = 200
_NULL_SECONDS = 2e-7
"""Of one arrangement of one token's block, over all comparisons and what is refined, by one measure."""

_STUDY_START = 8
_STUDY_SECONDS = 3.5e-5
"""Of one token of one text of a study of what is known: collected on both sides, permuted for each measure."""


def estimate(run: Run, until: str | None = None) -> dict[str, float]:
    """Seconds for each step of a run that is not done yet, up to the step `until`."""
    waiting = [name for name in run.needed(until) if not run.is_done(name)]
    if not waiting:
        return {}
    rate = _matrix_rate(run.device)
    return {name: _seconds(run.profile, name, rate) for name in waiting}


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


def _seconds(profile: Profile, step: str, rate: float) -> float:
    return _study_seconds(profile, step) if profile.truth else _run_seconds(profile, step, rate)


def _study_seconds(profile: Profile, step: str) -> float:
    """A seed of a study of what is known reads every text in every way, one noise after the other."""
    study = profile.truth
    assert study is not None
    if step == "tables":
        return 1.0
    comparisons = len(study.noises) * (len(study.ways) + len(study.texts) - 1)
    return _STUDY_START + comparisons * (0.5 * len(study.tokens) + sum(study.tokens) * _STUDY_SECONDS)


def _run_seconds(profile: Profile, step: str, rate: float) -> float:
    model, reviews, target = profile.pretraining, profile.finetuning.reviews, profile.corpora.target.source
    tokens = _pretraining_tokens(profile)
    review_tokens = min(_REVIEW_TOKENS[target], profile.finetuning.max_tokens)
    lstm = 8 * model.units * (model.embedding_size + model.units)
    output = 2 * model.embedding_size * (model.units + profile.vocabulary.size)
    fixed = _FIXED_SECONDS.get(step, 0.0)
    if step == "corpora":
        fixed += sum(_READING_SECONDS[c.source] for c in (profile.corpora.pretraining, profile.corpora.target))
    if step == "pretrain" and profile.encoder:
        return 2.0
    kind = step.partition("-")[0] if step.startswith(("pretrain-", "finetune-")) else step
    work = {
        "pretrain": 3 * (lstm + output) * tokens * model.epochs,
        "finetune": 3 * lstm * review_tokens * reviews.train * profile.finetuning.epochs
        + lstm * review_tokens * (reviews.train + reviews.test),
        "prune": lstm * review_tokens * 2 * _evaluations(profile) * profile.pruning.reviews,
        "probe": 3 * _probe_work(profile, lstm),
        "sentence": 4 * _probe_work(profile, lstm),
    }
    drawn = profile.nulls.permutations * (1 + len(profile.nulls.measures)) if step == "nulls" else 0
    chance = drawn * profile.collection.tokens * _NULL_SECONDS
    tagging = 2 * profile.collection.tokens / _TAGS_A_SECOND if step == "tags" else 0.0
    collecting = _times_read(profile, step) * lstm * profile.collection.tokens
    return fixed + chance + tagging + (work.get(kind, 0.0) + collecting) / (rate * _EFFICIENCY) + 1.0


def _pretraining_tokens(profile: Profile) -> int:
    """About how many tokens there are to pretrain on; 0 where a file of the user's own is not there."""
    settings = profile.corpora.pretraining
    if settings.path:
        path = profile.own_file(settings.path)
        return path.stat().st_size // _BYTES_OF_A_TOKEN if path.is_file() else 0
    return profile.world.encyclopedia_tokens if settings.source == "world" and profile.world else _WIKITEXT_TOKENS


def _probe_work(profile: Profile, lstm: float) -> float:
    """Of reading the text of one probe and fitting it."""
    return profile.controls.probe_tokens * (2 * lstm + _PROBE_READINGS * 6 * profile.pretraining.units * _TAGS)


def _times_read(profile: Profile, step: str) -> float:
    """How often a step reads the text of a stage."""
    if step.startswith("recollect-"):
        from txray_lib.readings import READINGS

        return len(READINGS[step.removeprefix("recollect-")].roles)
    if step == "collect-control-constant":
        return len(profile.pretraining.snapshots)
    if profile.collection.shards > 1 and not step.startswith("collect-control-"):
        return 1 / profile.collection.shards if "-shard-" in step else 0
    return 1 if step.startswith("collect-") else 0


def _evaluations(profile: Profile) -> int:
    """How often a split's sample is read for pruning: no set, five sets, and beside them random ones of about four sizes,
    five variances, two masses."""
    return 6 + 11 * profile.pruning.recurrent_random_sets


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


def _matrix_rate(device: str) -> float:
    """Floating-point operations a second of a float32 matrix product of a training step's shape."""
    import torch

    a, b = torch.rand(1600, 512, device=device), torch.rand(512, 2048, device=device)
    (a @ b).sum().item()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < 0.2:
        (a @ b).sum().item()
        count += 1
    return count * 2 * 1600 * 512 * 2048 / (time.perf_counter() - began)
