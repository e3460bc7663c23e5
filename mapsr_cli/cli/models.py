"""`mapsr models`: list, show, fetch, publish, check and remove models."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.command import Command, Group
from mapsr_cli.cli.progress import busy
from mapsr_cli.cli.push import push
from mapsr_cli.cli.report import complain, document, failures, result, table
from mapsr_cli.errors import MapsrError, UsageError

if TYPE_CHECKING:
    from mapsr_cli.zoo.catalogue import Offer

app = typer.Typer(cls=Group, no_args_is_help=True, help="List, show, fetch, publish, check and remove models.")
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Name of `mapsr models list`, file, folder with one, or ORG/REPO@REVISION on the Hub."
    ),
]


@app.command("list", cls=Command, epilog="Example: mapsr models list --json")
def list_models(json: options.Json = False, debug: options.Debug = False) -> None:
    """List the models that come with mapsr, are in the cache, or are published. Uses no network."""
    with failures(debug):
        from mapsr_cli.zoo.catalogue import offers

        found = list(offers())
        if json:
            document({"models": [_described(offer) for offer in found]})
            return
        titles = ("name", "where", "scale", "kernel", "method", "size", "description")
        rows = [(o.name, o.where, f"×{o.scale}", o.kernel, o.method, _megabytes(o.size), o.description) for o in found]
        table(None, titles, [[(cell, False) for cell in row] for row in rows], texts=len(titles))


def _described(offer: "Offer") -> dict[str, Any]:
    return {**vars(offer), "file": str(offer.file) if offer.file else None}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


@app.command(cls=Command, epilog="Example: mapsr models show natural-x4-affmse")
def show(name: ModelArgument, json: options.Json = False, debug: options.Debug = False) -> None:
    """Show what a model on this machine is for, and everything that its file says."""
    with failures(debug):
        from mapsr_cli.zoo.finding import find_here
        from mapsr_cli.zoo.manifest import read_card, sha256_of

        path = find_here(name)
        card = read_card(path)
        stored = {"file": str(path), "size": path.stat().st_size, "sha256": sha256_of(path)}
        if json:
            document({**card.to_header(), **stored})
            return
        header = card.to_header()
        result(f"{header.pop('name')}: {header.pop('description') or 'its file does not say what it is for'}")
        header["kernel"] = {key: value for key, value in card.kernel.items() if key not in ("taps", "sha256")}
        for key, value in (header | stored).items():
            result(f"{key + ':':14}{_printed(value)}")


def _printed(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_printed(entry)}" for key, entry in value.items())
    return "; ".join(_printed(entry) for entry in value) if isinstance(value, list) else str(value)


@app.command(cls=Command, epilog="Example: mapsr models pull org/repo@v1")
def pull(name: ModelArgument, json: options.Json = False, debug: options.Debug = False) -> None:
    """Fetch a model from the Hugging Face Hub into its cache.

    The variables HF_HOME, HF_ENDPOINT and HF_TOKEN have their usual meaning.
    """
    with failures(debug):
        from mapsr_cli.zoo import finding
        from mapsr_cli.zoo.manifest import read_card, sha256_of

        with busy(name) as fetched:
            path = finding.pull(name, fetched)
        card, digest = read_card(path), sha256_of(path)
        if json:
            document({"name": name, "model": card.name, "file": str(path), "size": path.stat().st_size,
                      "sha256": digest})  # fmt: skip
        else:
            result(f"{name}: {card.name}, {_megabytes(path.stat().st_size)}, SHA-256 {digest[:16]}…, {path}")


app.command(cls=Command, epilog="Example: mapsr models push runs/affmse-compact org/repo --dry-run")(push)


@app.command(cls=Command, epilog="Example: mapsr models verify natural-x4-affmse")
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Models to verify.", show_default="all on this machine"),
    ] = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check the hashes of models and that they load. The exit code is 0 only where all do."""
    with failures(debug):
        from mapsr_cli.zoo.checking import check

        checks = list(check(names or []))
        if json:
            document({"models": [vars(checked) for checked in checks]})
        for checked in checks:
            if not checked.holds:
                complain(MapsrError(f"{checked.name}: {checked.error}"))
            elif not json:
                result(f"holds: {checked.name}")
        if not all(checked.holds for checked in checks):
            raise typer.Exit(1)


@app.command(cls=Command, epilog="Example: mapsr models rm org/repo")
def rm(
    name: Annotated[str, typer.Argument(metavar="ORG/REPO@REVISION", help="Model to remove.")],
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Remove a model from the Hugging Face Hub's cache. Models that come with mapsr stay."""
    with failures(debug):
        from mapsr_cli.zoo.finding import bundled_models
        from mapsr_cli.zoo.hub import remove_cached
        from mapsr_cli.zoo.names import parse_repo_name

        wanted = parse_repo_name(name)
        if wanted is None:
            what = "comes with mapsr and stays" if name in bundled_models() else "is not org/repo[@revision]"
            raise UsageError(f"{name} {what}", "mapsr models list shows what is cached")
        freed = remove_cached(wanted)
        if json:
            document({"name": name, "freed": freed})
        else:
            result(f"removed {name}: {_megabytes(freed)}")
