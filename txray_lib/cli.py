"""The console command `txray`. May touch: every room, each only when its command is called."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from txray_lib import places
from txray_lib.errors import TxrayError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__.split(".")[0] + "."
)

PROFILES = ("profile", "profiles", "data")
"""Parameters of notebooks that say whose tables are shown."""
MEASURED = ("measured.parquet", "profile.yaml", "provenance.json")

ProfileName = Annotated[str, typer.Argument(help="A profile's name (`txray profiles` lists them) or a YAML file.")]
Device = Annotated[str, typer.Option(help="Where torch computes: cpu, cuda, cuda:0 …")]
Parameter = Annotated[list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE, as often as you like.")]


@app.command()
def run(
    profile: ProfileName,
    until: Annotated[list[str] | None, typer.Option(help="Stop after this step (`txray steps PROFILE`).")] = None,
    device: Device = "cpu",
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be made, and why.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="The state of each file.")] = False,
) -> None:
    """Run a profile, or go on with one: only what is missing or out of date is computed."""
    _compute(profile, until or (), device, "dry-run" if dry_run else "summary" if summary else "")


@app.command()
def steps(profile: ProfileName) -> None:
    """List the steps of a profile, and what each needs."""
    from txray_lib.flow import Run
    from txray_lib.profiles import load_profile

    for step in Run(load_profile(profile)).steps.values():
        typer.echo(f"{step.name:30} {step.about}" + (f" (needs {', '.join(step.needs)})" if step.needs else ""))


@app.command()
def notebook(
    name: Annotated[str, typer.Argument(help="A notebook of notebooks/, as rq1.")],
    parameter: Parameter = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The executed notebook; default: NAME.ipynb here.")
    ] = None,
) -> None:
    """Execute one notebook with parameters: txray notebook rq1 -p profile=small -p top_tokens=20."""
    from txray_lib.book.notebooks import execute, find_notebook

    source = find_notebook(name)
    target = out or Path.cwd() / f"{source.stem}.ipynb"
    execute(source, target, _parameters(parameter or []), places.root())
    typer.echo(f"wrote {target}")


@app.command()
def book(
    profile: Annotated[
        str, typer.Option(help="Whose run the paper's chapters are shown on: a name or a YAML file.")
    ] = "small",
    strict: Annotated[bool, typer.Option(help="Warnings are errors.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be made, and why.")] = False,
) -> None:
    """Run what the book shows live, execute the notebooks, build _build/html/index.html.

    A run whose tables are frozen in results/ is shown as it is; any other is computed.
    """
    from txray_lib.book.building import WORLD, build_book
    from txray_lib.profiles import profile_name
    from txray_lib.results import list_results

    show, at_hand = "dry-run" if dry_run else "", list_results()
    for name in dict.fromkeys((WORLD, profile)):
        if at_hand.get(profile_name(name)) != "frozen":
            _compute(name, (), "cpu", show)
    build_book(profile_name(profile), strict, show)


@app.command()
def example(
    folder: Annotated[Path, typer.Argument(help="A new folder; its name is that of the profile.")],
) -> None:
    """Write a text, labelled reviews and a profile that reads them: what to replace by files of your own."""
    from txray_lib.example import write_example

    profile = write_example(folder)
    typer.echo(f"wrote {', '.join(sorted(p.name for p in folder.iterdir()))} in {folder}. Now: txray run {profile}")


@app.command()
def teacher() -> None:
    """Build build/teacher/: lab and assignment with solutions and a guide to marking; and build/course/: what students get."""
    from txray_lib.book.handouts import build_students, build_teacher

    for path in (*build_students(), *build_teacher()):
        typer.echo(f"wrote {path}")


@app.command()
def profiles() -> None:
    """List the profiles."""
    from txray_lib.profiles import list_profiles, load_profile

    for name in list_profiles():
        try:
            typer.echo(f"{name:12} {load_profile(name).about}")
        except TxrayError as error:
            typer.echo(f"{name:12} cannot be used: {error}")


@app.command()
def stages(profile: ProfileName) -> None:
    """List the stages of a profile, and the comparisons between them."""
    from txray_lib import stages as room
    from txray_lib.profiles import load_profile

    loaded = load_profile(profile)
    if loaded.truth is not None:
        typer.echo(f"{loaded.name} is a study of planted encoders: it has no stages")
        return
    for stage in room.stages(loaded):
        typer.echo(f"{stage.name:24} {stage.role:12} {stage.snapshot} on {stage.corpus}")
    for comparison in room.comparisons(loaded):
        typer.echo(f"{comparison.question:8} {comparison.name}")


@app.command()
def results() -> None:
    """List the results at hand: which profile, live or frozen, when and from which commit."""
    from txray_lib.results import list_results, open_results

    found = list_results()
    for name, origin in found.items():
        source = open_results(name).provenance
        seeds = source["seed"] if isinstance(source["seed"], list) else [source["seed"]]
        seed = ", ".join(map(str, seeds))
        typer.echo(f"{name:12} {origin:8} {source['created']} seed {seed} commit {source['commit']}")
    if not found:
        typer.echo("none yet: `txray run demo` makes some")


@app.command()
def freeze(
    profile: ProfileName,
    measured: Annotated[
        bool,
        typer.Option("--measured", help="Only what the audit measured: what another seed of a profile is kept for."),
    ] = False,
) -> None:
    """Keep the tables of a finished run in results/, where git and every reader find them."""
    from txray_lib.flow import Run
    from txray_lib.profiles import load_profile
    from txray_lib.results import Results

    current = Run(load_profile(profile))
    if not current.is_there("tables"):
        raise TxrayError(f"the run {current.profile.name!r} is not finished: `txray run {profile}` finishes it.")
    for name in current.step("tables").makes:
        current.file("tables", name)
    if Results(current.profile.name, current.place("tables"), "live").is_outdated:
        raise TxrayError(
            f"the tables of {current.profile.name!r} are older than its profile: `txray run {profile}` makes them anew."
        )
    live, frozen = places.live_results(current.profile.name), places.frozen_results(current.profile.name)
    partial = frozen.with_name(f".{frozen.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if measured:
        partial.mkdir(parents=True)
        for name in MEASURED:
            shutil.copy(live / name, partial / name)
    else:
        shutil.copytree(live, partial, ignore=shutil.ignore_patterns("step.json"))
    shutil.rmtree(frozen, ignore_errors=True)
    partial.replace(frozen)
    size = sum(f.stat().st_size for f in frozen.rglob("*") if f.is_file())
    typer.echo(f"froze {size / 1e6:.1f} MB of tables in {frozen}")


def main() -> None:
    """Run the command; an error that the user can mend is one message and status 1, Ctrl-C status 130."""
    try:
        if (status := app(standalone_mode=False)) == 130:
            raise KeyboardInterrupt
        sys.exit(status)
    except TxrayError as error:
        _exit(f"error: {error}", 1)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _exit("\nstopped. What is done is kept: the same command goes on from here.", 130)
    except Exception as error:
        if hasattr(error, "format_message"):
            message = error.format_message()
            _exit(f"error: {message}" if message else "", getattr(error, "exit_code", 2))
        raise


def _exit(message: str, status: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(status)


def _compute(profile: str, until: Sequence[str], device: str, show: str) -> None:
    """Make a run as far as the steps `until`, or show what would be made."""
    from txray_lib.costs import require_device, require_disk
    from txray_lib.engine import compute
    from txray_lib.flow import Run
    from txray_lib.profiles import load_profile

    require_device(device)
    current = Run(load_profile(profile), device, lambda line: typer.echo(line, err=True))
    wanted = current.needed(until)
    if not all(map(current.is_there, wanted)):
        require_disk(current)
    if not compute(current, profile, until, show) and not show:
        typer.echo(f"{current.profile.name}: nothing to compute, all {len(wanted)} steps are done")


def _parameters(pairs: list[str]) -> dict[str, Any]:
    """The values of NAME=VALUE; a YAML file in place of a profile's name is that name, which holds wherever a notebook runs."""
    from txray_lib.profiles import profile_name

    parameters = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise TxrayError(f"{pair!r} is not NAME=VALUE, as in -p top_tokens=20")
        try:
            parameters[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise TxrayError(f"the value of {key!r}, {value!r}, is not a number, a list or a word") from None
        if key in PROFILES and isinstance(parameters[key], str):
            parameters[key] = ", ".join(profile_name(name.strip()) for name in parameters[key].split(","))
    return parameters


if __name__ == "__main__":
    main()
