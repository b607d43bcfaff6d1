"""The whole of a run: the profile `tiny` in a compendium of its own, and the laws on the tables it makes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from txray_lib import engine, steps
from txray_lib.corpora.documents import load_corpus_file
from txray_lib.engine.run import Run
from txray_lib.engine.tracking import files_of, module_file
from txray_lib.preferences import NOBODY, add, aggregate
from txray_lib.profiles import Profile, load_profile
from txray_lib.results import Results
from txray_lib.stages import comparisons, stages
from txray_lib.steps import perform
from txray_lib.tables import read_table
from txray_lib.transfer import AVOIDED, GAINED, NEVER, SHARED, compare

WORKFLOW = Path(__file__).resolve().parents[1] / "workflow"


@pytest.fixture(scope="module")
def tiny_run(tiny_home: Path) -> Iterator[Run]:
    """The finished run of `tiny`; TXRAY_ROOT points at its compendium while the tests of this file run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TXRAY_ROOT", str(tiny_home))
        patch.delenv("TXRAY_RESULTS", raising=False)
        yield Run(load_profile("tiny"))


def test_every_file_of_the_library_that_a_step_loads_is_tracked(tiny_run, tiny_home):
    every = set()
    for name, step in tiny_run.steps.items():
        loaded = set(json.loads((tiny_home / "loaded" / f"{name}.json").read_text(encoding="utf-8")))
        code = module_file(f"steps.{step.function.partition('.')[0]}")
        assert str(code) in loaded
        shell = files_of(module_file("engine.__init__"))  # it starts the process, and has no part in what is made there
        assert loaded - {str(file) for file in {*files_of(code), *shell}} == set(), name
        every |= loaded
    assert {Path(file).suffix for file in every} == {".py", ".yaml", ".npz"}


@pytest.fixture
def table(tiny_run: Run) -> Callable[[str], pd.DataFrame]:
    """Reads a table that the book reads."""
    return lambda name: read_table(tiny_run.file("tables", f"{name}.parquet"))


@pytest.fixture
def records(tiny_run: Run) -> Callable[[str], pd.DataFrame]:
    """Reads a stage's records."""
    return lambda stage: read_table(tiny_run.file(f"collect-{stage}", "records.parquet"))


def test_every_stage_has_its_preferences_and_nothing_else_is_there(tiny_run):
    folder = tiny_run.place("tables")
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    names = (
        *("stages", "transfer", "training", "scores", "pruning", "corpora", "truth"),
        *("tag_counts", "definitions", "same_weights", "measured", "pruning_random", "probe"),
        *("nulls", "null_states", "measures", "measure_nulls", "contexts"),
        *("control_transfer", "control_scores", "control_epochs", "control_training"),
        *("sentence", "sentence_activations", "sentence_facts", "sentence_records"),
    )
    preferences = {f"preferences/{s.name}.parquet" for s in stages(tiny_run.profile)}
    assert made == {f"{n}.parquet" for n in names} | preferences | {"provenance.json", "profile.yaml", "step.json"}
    assert {p.name for p in tiny_run.folder.rglob(".*")} <= {".unfinished", ".lock"}


def test_counts_of_a_stage_sum_to_its_tokens_less_nobodys(tiny_run, table):
    rows = table("stages").set_index("stage")
    assert list(rows.index) == [s.name for s in stages(tiny_run.profile)]
    for name, row in rows.iterrows():
        preferences = table(f"preferences/{name}")
        assert row["tokens"] == tiny_run.profile.collection.tokens
        assert preferences["count"].sum() == row["tokens"] - row["nobody"]
        assert preferences.groupby("neuron")["feature"].nunique().sum() <= row["tokens"]
        assert row["preferred"] == preferences["neuron"].nunique() <= row["neurons"]


def test_a_constant_rate_is_compared_as_the_schedule_is_from_the_same_start(table):
    schedule, constant = table("transfer"), table("control_epochs")
    schedule = schedule[schedule["question"].isin(["rq1", "epochs"])].reset_index(drop=True)
    names = constant[["comparison", "before", "after"]].replace("/constant", "", regex=True)
    pd.testing.assert_frame_equal(names.astype(object), schedule[names.columns].astype(object))
    untrained = constant["before"] == "encyclopedia-0/constant"
    assert (constant["length_before"] == schedule["length_before"])[untrained].all()
    assert (constant["length_before"] != schedule["length_before"])[~untrained].any()
    has_chance = (constant["question"] == "rq1") & constant["hellinger"].notna()
    assert constant.loc[has_chance, "expected"].between(0, 1).all()


def test_every_neuron_of_the_last_stages_is_quoted_with_the_token_that_excited_it_most(tiny_run, table, records):
    quoted = table("contexts")
    assert set(quoted["stage"]) == {"encyclopedia-3", "reviews-zero-shot", "reviews-supervised"}
    for stage, rows in quoted.groupby("stage"):
        its = records(stage)
        most = its[its["neuron"] >= 0].groupby("neuron")["activation"].max()
        first = rows.drop_duplicates("neuron").set_index("neuron")
        assert first["activation"].to_dict() == most.to_dict()
        which = "target" if stage.startswith("reviews") else "pretraining"
        texts = [f" {' '.join(document.tokens)} " for document in tiny_run.corpus(which)]
        for before, token, after in first[["before", "token", "after"]].head(20).itertuples(index=False):
            assert any(f" {' '.join(filter(None, (before, token, after)))} " in text for text in texts)


def test_stages_on_one_corpus_saw_the_same_tokens(tiny_run, records):
    text = ["document", "block", "feature", "tag", "y"]
    for corpus in {s.corpus for s in stages(tiny_run.profile)}:
        first, *others = [records(s.name) for s in stages(tiny_run.profile) if s.corpus == corpus]
        for other in others:
            pd.testing.assert_frame_equal(first[text], other[text])


def test_zero_shot_and_supervised_read_the_same_documents_and_only_one_has_predictions(records):
    zero_shot, supervised = records("reviews-zero-shot"), records("reviews-supervised")
    assert zero_shot["document"].tolist() == supervised["document"].tolist()
    assert zero_shot["prediction"].isna().all()
    assert supervised["prediction"].between(0, 1).all()
    assert (supervised.groupby("document")["prediction"].nunique() == 1).all()
    assert set(supervised["y"]) == {0, 1}
    assert set(records("encyclopedia-1")["y"]) == {-1}


def test_every_table_carries_its_source(tiny_run):
    facts = json.loads(tiny_run.file("corpora", "facts.json").read_text())
    for path in sorted(tiny_run.place("tables").rglob("*.parquet")):
        source = read_table(path).attrs["provenance"]
        assert source["profile"] == "tiny"
        assert source["seed"] == tiny_run.profile.seed
        assert source["corpora"] == facts["hashes"]
        assert set(source["corpora"]) == {"encyclopedia", "reviews"}
        assert all(len(digest) == 64 for digest in source["corpora"].values())
        assert {"torch", "numpy", "pandas", "flair", "txray_lib", "python"} <= set(source["versions"])
        assert source["commit"]
        assert source["command"] == "txray run tiny"
    saved = yaml.safe_load(tiny_run.file("tables", "profile.yaml").read_text())
    assert Profile(**saved) == tiny_run.profile
    noted = json.loads(tiny_run.file("tables", "provenance.json").read_text())
    assert set(noted["steps"]) == set(tiny_run.steps) - {"tables"}
    assert noted["weights"] == noted["steps"]["finetune"]["commit"]


def test_the_sentence_is_read_as_the_stages_read_it(tiny_run, table, records):
    """Its tokens, winners and ŷ are those of the records of its review."""
    rows = table("sentence")
    corpus = load_corpus_file(tiny_run.file("tags", "stage-target.parquet"))
    number = next(i for i, document in enumerate(corpus) if document.name == rows["document"].iloc[0])
    assert corpus.documents[number].split == "test"
    assert rows["sentiment"].ne(0).any()
    for side, stage in (("before", "reviews-zero-shot"), ("after", "reviews-supervised")):
        own = records(stage)
        own = own[own["document"] == number].iloc[rows["position"]].reset_index(drop=True)
        assert rows["feature"].tolist() == own["feature"].tolist()
        assert rows["tag"].tolist() == own["tag"].tolist()
        clear = rows[f"activation_{side}"] - rows[f"second_activation_{side}"] > 1e-6
        assert (rows[f"neuron_{side}"] == own["neuron"])[clear].all()
        np.testing.assert_allclose(rows[f"activation_{side}"], own["activation"], atol=1e-6)
        kept = table("sentence_records")
        kept = kept[kept["side"] == side]
        sums = kept.groupby(["neuron", "feature"])["activation"].agg(["size", "sum"])
        whole = table(f"preferences/{stage}").astype({"feature": str})
        whole = whole[whole["neuron"].isin(kept["neuron"])]
        whole = whole.groupby(["neuron", "feature"])[["count", "activation_sum"]].sum()
        np.testing.assert_array_equal(sums["size"], whole["count"])
        np.testing.assert_allclose(sums["sum"], whole["activation_sum"], rtol=1e-5)
    facts = table("sentence_facts").set_index(["side", "measure"])["value"]
    logit = facts["after", "review_logit"]
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), own["prediction"].iloc[0], atol=1e-5)
    difference = facts["after", "logit"] - facts["after", "baseline_logit"]
    np.testing.assert_allclose(rows["integrated_after"].sum(), difference, atol=1e-4)


def test_transfer_has_a_row_for_each_neuron_and_comparison(tiny_run, table):
    transfer, units = table("transfer"), tiny_run.profile.pretraining.units
    expected = [(c.question, c.name) for c in comparisons(tiny_run.profile)]
    made = transfer[["question", "comparison"]].drop_duplicates()
    assert list(made.itertuples(index=False, name=None)) == expected
    for _, rows in transfer.groupby(["question", "comparison"]):
        assert rows["neuron"].tolist() == list(range(units))
        before, after = rows["length_before"] > 0, rows["length_after"] > 0
        assert (rows["state"].eq(SHARED) == (before & after)).all()
        assert (rows["state"].eq(AVOIDED) == (before & ~after)).all()
        assert (rows["state"].eq(GAINED) == (~before & after)).all()
        assert (rows["state"].eq(NEVER) == (~before & ~after)).all()
        for column in ("hellinger", "hellinger_tag"):
            assert (rows[column].notna() == (before & after)).all()
            assert rows[column].dropna().between(0, 1).all()


def test_every_comparison_has_its_null_and_its_measures(tiny_run, table):
    """Law 6: a distance beside what chance gives, of the very distance that the transfer table holds."""
    transfer, nulls, states = table("transfer"), table("nulls"), table("null_states")
    asked = transfer[transfer["question"].isin(["rq1", "rq2", "rq3"])].reset_index(drop=True)
    for table_of in (nulls, table("measures")):
        both = asked.merge(table_of, on=["question", "comparison", "neuron"], suffixes=("", "_other"))
        assert len(both) == len(asked)
        np.testing.assert_allclose(both["hellinger"], both["hellinger_other"], atol=1e-9)
    has_distance = nulls["hellinger"].notna()
    assert nulls.loc[has_distance, "p"].between(0, 1, inclusive="right").all()
    assert (nulls.loc[has_distance, "q"] >= nulls.loc[has_distance, "p"] - 1e-12).all()
    assert nulls.loc[~has_distance, ["p", "q"]].isna().all(axis=None)
    assert set(nulls.loc[nulls["question"] == "rq2", "kind"]) == {"split"}
    every = table("measure_nulls")
    papers = every[every["measure"] == "hellinger"].reset_index(drop=True)
    assert every.groupby("measure").size().nunique() == 1
    assert papers["observed"].equals(nulls["hellinger"])
    assert papers["q"].equals(nulls["q"])
    counted = asked.groupby(["comparison", "state"]).size()
    for row in states[states["state"] != "avoided or gained"].itertuples():
        assert row.observed == counted.get((row.comparison, row.state), 0)


def test_collecting_again_changes_nothing(tiny_run, table):
    """Law 1: the same weights and the same text, another batch size; only near ties may choose another neuron."""
    from txray_lib.collection import collect
    from txray_lib.corpora import Vocabulary
    from txray_lib.encoders.snapshots import load_snapshot

    vocabulary = Vocabulary.load(tiny_run.file("vocabulary", "vocabulary.json"))
    model = load_snapshot(tiny_run.file("finetune", "supervised.safetensors"), vocabulary.digest())
    text = load_corpus_file(tiny_run.file("tags", "stage-target.parquet"))
    again = collect(model, text, vocabulary, batch_size=tiny_run.profile.collection.batch_size)
    other = collect(model, text, vocabulary, batch_size=5)
    saved = read_table(tiny_run.file("collect-reviews-supervised", "records.parquet"))
    assert (saved["neuron"].to_numpy() == again.records["neuron"].to_numpy()).all()
    assert (saved["neuron"].to_numpy() != other.records["neuron"].to_numpy()).sum() <= other.near_ties
    transfer = compare(aggregate(saved), aggregate(again.records), model.encoder.units)
    assert not transfer["state"].isin([AVOIDED, GAINED]).any()
    assert (transfer["hellinger"].dropna() == 0).all()


def test_the_controls_read_the_same_text_and_compare_with_the_same_zero_shot(tiny_run, table, records):
    real = table("transfer").query("question == 'rq3'").reset_index(drop=True)
    controls = table("control_transfer")
    before = ["neuron", "length_before", "tag_length_before", "count_before", "mass_before", "question"]
    assert set(controls["control"]) == {"shuffled-1", "seed-1"}
    assert list(controls.columns) == [*real.columns, "control"]
    for name, rows in controls.groupby("control"):
        pd.testing.assert_frame_equal(rows[before].reset_index(drop=True), real[before])
        assert rows["after"].unique().tolist() == [f"reviews-supervised/{name}"]
        collected = read_table(tiny_run.file(f"collect-reviews-{name}", "records.parquet"))
        text = ["document", "block", "feature", "tag", "y"]
        pd.testing.assert_frame_equal(collected[text], records("reviews-supervised")[text])
        assert rows["count_after"].sum() == (collected["neuron"] != NOBODY).sum()


def test_a_control_on_shuffled_labels_took_as_many_updates_as_the_real_one(tiny_run, table):
    scores = table("control_scores").query("shared_texts == 'kept'").set_index("control")
    assert list(scores.index) == ["real", "shuffled-1", "seed-1"]
    assert scores.loc["shuffled-1", "updates"] == scores.loc["real", "updates"] > 0
    assert scores["seed"].tolist() == [1, 1, 1001]
    real = table("scores").query("split == 'test' and shared_texts == 'kept'").iloc[0]
    assert scores.loc["real", "f1"] == real["f1"]
    curves = table("control_training")
    assert list(curves.columns) == [*table("training").columns, "control"]
    reviews, size = tiny_run.profile.finetuning.reviews.train, tiny_run.profile.finetuning.batch_size
    last = curves.groupby("control")["epoch"].max() * -(-reviews // size)
    assert last["shuffled-1"] == pytest.approx(scores.loc["shuffled-1", "updates"])


def test_the_labels_of_the_test_split_have_no_part_in_finetuning(tiny_run, tmp_path, monkeypatch):
    """With a test split of other texts and labels the fine-tuned weights are the same, byte for byte."""
    from txray_lib.encoders.encoded import Texts

    twin, whole = tmp_path / "twin", tiny_run.place("finetune")
    shutil.copytree(tiny_run.folder.parents[2], twin)
    monkeypatch.setenv("TXRAY_ROOT", str(twin))  # from here on tiny_run is the twin, too
    run = Run(load_profile("tiny"))
    path = run.file("vocabulary", "texts-test.npz")
    test = Texts.load(path)
    Texts(test.names, tuple(i[::-1] for i in test.ids), 1 - test.labels).save(path)
    monkeypatch.setattr(steps, "require_whole", lambda place, name: place / name)
    perform(run.task("finetune"))
    folder = run.place("finetune")
    assert folder != whole
    name = "supervised.safetensors"
    assert (folder / name).read_bytes() == (whole / name).read_bytes()
    splits = [read_table(f / "scores.parquet").set_index("split")["accuracy"] for f in (folder, whole)]
    assert splits[0]["train"].equals(splits[1]["train"])


def test_the_splits_share_no_document(tiny_run):
    corpus = load_corpus_file(tiny_run.file("corpora", "target.parquet"))
    reviews = tiny_run.profile.finetuning.reviews.model_dump()
    assert {split: len(corpus.split(split)) for split in reviews} == reviews
    assert len({d.name for d in corpus}) == len(corpus)
    blocks = {split: {d.block for d in corpus.split(split)} for split in reviews}
    assert not blocks["train"] & blocks["test"]
    assert not blocks["valid"] & (blocks["train"] | blocks["test"])


def test_shards_in_several_jobs_give_the_table_of_the_whole(tiny_run, records, tmp_path, new_workplace, monkeypatch):
    """The records of a stage joined from shards are those of the whole, and the shards' preferences add to its own (law 4)."""
    whole, step, shards, source = records("reviews-supervised"), "collect-reviews-supervised", 3, tiny_run.folder
    fresh = new_workplace(tmp_path / "fresh")
    monkeypatch.setenv("TXRAY_ROOT", str(fresh))
    profile = {"base": "tiny", "about": "Shards.", "collection": {"shards": shards}}
    (fresh / "profiles" / "sharded.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    run = Run(load_profile("sharded"))
    for made in ("corpora", "tags", "vocabulary", "pretrain", "finetune"):
        shutil.copytree(source / made, run.place(made))
    assert engine.make_run(run, "sharded", [step])
    joined = read_table(run.file(step, "records.parquet"))
    near_ties = json.loads(run.file(step, "counts.json").read_text(encoding="utf-8"))["near_ties"]
    assert joined["document"].tolist() == whole["document"].tolist()
    assert joined["feature"].tolist() == whole["feature"].tolist()
    assert (joined["neuron"] != whole["neuron"]).sum() <= near_ties
    np.testing.assert_allclose(joined["activation"], whole["activation"], atol=2e-6)
    parts = [read_table(run.file(f"{step}-shard-{shard}", "records.parquet")) for shard in range(shards)]
    assert min(map(len, parts)) > len(whole) / (shards + 2)
    pd.testing.assert_frame_equal(add([aggregate(part) for part in parts]), aggregate(joined))


def test_pairs_of_words_go_through_the_steps_to_the_tables(tiny_run, tmp_path, new_workplace, monkeypatch):
    source, fresh = tiny_run.folder, new_workplace(tmp_path / "fresh")
    monkeypatch.setenv("TXRAY_ROOT", str(fresh))
    profile = {"base": "tiny", "about": "Pairs.", "features": {"n": 2}, "nulls": {"permutations": 20, "measures": []}}
    (fresh / "profiles" / "pairs.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    run = Run(load_profile("pairs"))
    for made in set(run.steps) - {"preferences", "transfer", "nulls", "tables"}:
        shutil.copytree(source / made, run.place(made))
    assert run.make() == ["preferences", "transfer", "nulls", "tables"]
    results = Results("pairs", run.place("tables"), "live")
    for stage in stages(run.profile):
        pairs = results.preferences(stage.name)
        read = read_table(run.file(f"collect-{stage.name}", "records.parquet"))
        ends = read["document"].duplicated() & (read["neuron"] != NOBODY)
        assert pairs["count"].sum() == ends.sum()
        assert set(pairs["feature"].astype(str).str.count(" ")) == {1}
        counted = results.stages.set_index("stage").loc[stage.name]
        assert counted["tokens"] == ends.sum() + counted["nobody"] + counted["excluded"]
    zero_shot, rq3 = results.preferences(results.stage("zero-shot")), results.beside_null("rq3")
    assert rq3["length_before"].sum() == len(zero_shot[["neuron", "feature"]].drop_duplicates())
    assert rq3.query("state == 'shared'")["expected"].notna().all()


@pytest.fixture
def snakemake() -> Callable[..., str]:
    """Runs the Snakefile as its own command: `snakemake(compendium, profile, *arguments)` gives what it printed."""

    def run(compendium: Path, profile: str, *arguments: str) -> str:
        command = [sys.executable, "-m", "snakemake", "-s", str(WORKFLOW / "Snakefile"), "-d", str(compendium)]
        command += ["--config", f"profile={profile}", *arguments]
        environment = {**os.environ, "TXRAY_ROOT": str(compendium)}
        result = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
        assert result.returncode == 0, result.stderr[-2000:]
        return result.stdout + result.stderr

    return run


@pytest.mark.parametrize("where", ["local", "slurm"])
def test_an_executor_profile_plans_the_whole_flow(tiny_run, tmp_path, new_workplace, snakemake, where):
    fresh = new_workplace(tmp_path / "fresh")
    printed = snakemake(fresh, "tiny", "-n", "--profile", str(WORKFLOW / "profiles" / where))
    assert all(f"rule {step.rule or step.name}:" in printed for step in tiny_run.steps.values())


_KUBECTL = """#!{python}
import subprocess, sys, yaml
verb = sys.argv[3]
if verb == "create":
    job = yaml.safe_load(sys.stdin)
    step = job["spec"]["template"]["spec"]["containers"][0]
    assert step["volumeMounts"][0]["name"] == job["spec"]["template"]["spec"]["volumes"][0]["name"]
    done = subprocess.run(step["command"], cwd=step["workingDir"], capture_output=True).returncode == 0
    name = job["metadata"]["generateName"] + ("good" if done else "bad")
    print("job.batch/" + name)
elif verb == "get":
    print({{"txray-good": "1/", "txray-bad": "/1"}}[sys.argv[5]], end="")
"""


def test_kubernetes_jobs_are_submitted_and_asked_after(tiny_run, tmp_path, new_workplace, snakemake, monkeypatch):
    """A stand-in for kubectl runs each Job's script at once and tells afterwards how it ended."""
    fresh, tools = new_workplace(tmp_path / "fresh"), tmp_path / "tools"
    (fresh / "workflow").symlink_to(WORKFLOW)
    tools.mkdir()
    (tools / "kubectl").write_text(_KUBECTL.format(python=sys.executable), encoding="utf-8")
    (tools / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    waiting = ("--latency-wait", "1", "--seconds-between-status-checks", "1", "--until", "corpora")
    snakemake(fresh, "tiny", "--profile", str(WORKFLOW / "profiles" / "kubernetes"), *waiting)
    for file in ("target.parquet", "facts.json"):
        made = fresh / tiny_run.file("corpora", file).relative_to(tiny_run.folder.parents[2])
        assert made.read_bytes() == tiny_run.file("corpora", file).read_bytes()


LEAST = {
    "base": "tiny",
    "about": "The least of a run.",
    "pruning": {"set_size": 2, "reviews": 20, "random_sets": 1, "recurrent_random_sets": 0},
    "controls": {"finetuning_seeds": 0, "shuffled_labels": 0, "constant_rate": False, "probe_tokens": 200},
    "nulls": {"permutations": 5, "measures": []},
}
_OTHERS = {"altair", "flair", "IPython", "jupytext", "nbformat", "papermill", "snakemake", "sphinx", "vl_convert"}
_WITHOUT = f"""
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {_OTHERS}:
            raise ModuleNotFoundError(f"{{name}} belongs to the other half")
sys.meta_path.insert(0, Refusing())
"""


def test_the_computing_half_alone_goes_on_from_an_archive_and_sends_tables_home(tiny_run, tmp_path, new_workplace):
    """What a borrowed machine does, by its own script: no Snakemake, no tagger, nothing that draws, calls that are cut short."""
    away, hook, out = new_workplace(tmp_path / "away"), tmp_path / "hook", tmp_path / "out"
    archive = tmp_path / "text.tar.gz"
    text = ("corpora", "tags", "vocabulary")
    (away / "profiles" / "least.yaml").write_text(yaml.safe_dump(LEAST), encoding="utf-8")
    subprocess.run(["tar", "-C", str(tiny_run.folder), "-czf", str(archive), *text], check=True)
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(_WITHOUT, encoding="utf-8")
    shutil.copytree(WORKFLOW, away / "workflow", ignore=shutil.ignore_patterns(".snakemake"))
    library = str(WORKFLOW.parent)
    environment = {**os.environ, "TXRAY_ROOT": str(away), "PYTHONPATH": f"{hook}{os.pathsep}{library}"}
    environment |= {"PYTHON": sys.executable, "DEVICE": "cpu"}
    for seconds, told in (("4", "not finished"), ("200", "finished: tables")):
        command = [str(away / "workflow" / "gpu.sh"), "least", str(archive), seconds, str(out)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
        assert result.returncode == 0, result.stderr[-2000:]
        assert told in result.stdout
    joined, home = tmp_path / "tables.tar.gz", tmp_path / "home"
    joined.write_bytes(b"".join(p.read_bytes() for p in sorted(out.glob("least-tables.tar.gz.*"))))
    home.mkdir()
    subprocess.run(["tar", "-C", str(home), "-xzf", str(joined)], check=True)
    theirs = Results("least", home / "least", "live")
    assert theirs.stages["tokens"].eq(tiny_run.profile.collection.tokens).all()
    assert (out / "pretrain-curve.parquet").is_file()
