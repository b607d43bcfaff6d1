"""The console command `txray`. May touch: every room, each only when its command is called."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from txray_lib import places
from txray_lib.errors import TxrayError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__.split(".")[0] + "."
)

ProfileName = Annotated[str, typer.Argument(help="A profile's name (`txray profiles` lists them) or a YAML file.")]
Until = Annotated[list[str] | None, typer.Option(help="Stop after this step; `--summary` names them.")]
Device = Annotated[str, typer.Option(help="Where torch computes: cpu, cuda, cuda:0 …")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be made, and why.")]
Summary = Annotated[bool, typer.Option("--summary", help="The state of each file.")]
Parameter = Annotated[list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE, as often as you like.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The executed notebook; default: NAME.ipynb here.")]
Measured = Annotated[bool, typer.Option("--measured", help="Only what the audit measured: enough of another seed.")]


@app.callback()
def _require_compendium() -> None:
    if not places.profiles_folder().is_dir():
        raise TxrayError(
            f"{places.root()} is no compendium: it has no folder profiles/. Set {places.ROOT_VARIABLE} to the folder that has"
            " one, or work there."
        )


@app.command()
def run(
    profile: ProfileName, until: Until = None, device: Device = "cpu", dry_run: DryRun = False, summary: Summary = False
) -> None:
    """Run a profile, or go on with one: only what is missing or out of date is computed."""
    from txray_lib.engine import make_run
    from txray_lib.engine.run import Run
    from txray_lib.profiles import load_profile

    current, show = Run(load_profile(profile), device), "dry-run" if dry_run else "summary" if summary else ""
    if not make_run(current, profile, until or [], show) and not show:
        typer.echo(f"{current.profile.name}: nothing to compute, all {len(current.needed(until or []))} steps are done")


@app.command()
def notebook(name: str, parameter: Parameter = None, out: Out = None) -> None:
    """Execute one notebook with parameters: txray notebook fig07 -p profile=small -p top_tokens=20."""
    from txray_lib.book.notebooks import execute, find_notebook

    source = find_notebook(name)
    target = out or Path.cwd() / f"{source.stem}.ipynb"
    execute(source, target, _read_parameters(parameter or []), places.root())
    typer.echo(f"wrote {target}")


@app.command()
def book(
    profile: Annotated[str, typer.Option(help="Whose run the chapters are shown on: a name or a YAML file.")] = "small",
    dry_run: DryRun = False,
) -> None:
    """Run what the book shows live, execute the notebooks, build _build/html/index.html.

    A run whose tables are frozen in results/ is shown as it is; any other is computed.
    """
    from txray_lib.book.building import WORLD, build_book
    from txray_lib.profiles import load_profile, profile_name
    from txray_lib.results import list_results

    at_hand, wanted = list_results(), dict.fromkeys((WORLD, profile))
    computed = [name for name in wanted if at_hand.get(profile_name(name)) != "frozen"]
    for name in computed:
        load_profile(name)
    for name in computed:
        run(name, dry_run=dry_run)
    build_book(profile_name(profile), "dry-run" if dry_run else "")


@app.command()
def example(folder: Annotated[Path, typer.Argument(help="A new folder; its name is that of the profile.")]) -> None:
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
def results() -> None:
    """List the results at hand: which profile, live or frozen, when and from which commit."""
    from txray_lib.results import list_results, open_results

    found = list_results()
    for name, origin in found.items():
        source = open_results(name).provenance
        typer.echo(f"{name:12} {origin:8} {source['created']} seed {source['seed']} commit {source['commit']}")
    if not found:
        typer.echo("none yet: `txray run demo` makes some")


@app.command()
def freeze(profile: ProfileName, measured: Measured = False) -> None:
    """Keep the tables of a finished run in results/, where git and every reader find them."""
    from txray_lib.engine.run import Run
    from txray_lib.profiles import load_profile
    from txray_lib.results import read_parameters
    from txray_lib.steps import read_note

    current = Run(load_profile(profile))
    name = current.profile.name
    if not current.is_there("tables"):
        raise TxrayError(f"the run {name!r} is not finished: `txray run {profile}` finishes it.")
    made = read_parameters(current.place("tables"), current.profile.model_dump())
    if {**made, "about": ""} != {**current.profile.parameters, "about": ""}:
        raise TxrayError(f"the tables of {name!r} are older than its profile: `txray run {profile}` makes them anew.")
    frozen = places.frozen_results(name)
    partial = frozen.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    kept = ["measured.parquet", "profile.yaml", "provenance.json"]
    if not measured:
        kept = read_note(current.place("tables"))["files"]
    with places.full_disk_told(frozen):
        for file in kept:
            (partial / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(current.file("tables", file), partial / file)
    shutil.rmtree(frozen, ignore_errors=True)
    partial.replace(frozen)
    size = sum(f.stat().st_size for f in frozen.rglob("*") if f.is_file())
    typer.echo(f"froze {size / 1e6:.1f} MB of tables in {frozen}")


def main() -> None:
    """Run the command; an error that the user can mend is one message and status 1, Ctrl-C status 130."""
    try:
        status = app(standalone_mode=False)
    except TxrayError as error:
        _exit(f"error: {error}", 1)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except OSError as error:
        if error.filename is None:
            raise
        _exit(
            f"error: {error.filename}: {error.strerror}. Give a place that can be read and written, or mend this one.",
            1,
        )
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message()
        _exit(f"error: {message}" if message else "", 2)
    if status == 130:
        _exit("\nstopped. What is done is kept: the same command goes on from here.", 130)
    sys.exit(status)


def _exit(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(status)


def _read_parameters(pairs: list[str]) -> dict[str, str]:
    """The texts of NAME=VALUE; a YAML file in place of a profile's name is that name, which holds wherever a notebook runs."""
    from txray_lib.profiles import profile_name

    parameters = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise TxrayError(f"{pair!r} is not NAME=VALUE, as in -p top_tokens=20")
        if key in parameters:
            raise TxrayError(f"the parameter {key} is given twice, as {parameters[key]!r} and as {value!r}")
        parameters[key] = profile_name(value) if key in ("profile", "beside", "other", "study", "data") else value
    return parameters


if __name__ == "__main__":
    main()
