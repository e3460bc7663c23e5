"""`mapsr models push`: publish a model on the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.progress import busy
from mapsr_cli.cli.report import document, failures, result, say


def push(
    source: Annotated[
        str, typer.Argument(metavar="RUN", help="Run folder, .safetensors file or name of `mapsr models list`.")
    ],
    repo: Annotated[str, typer.Argument(metavar="ORG/REPO", help="Repository to publish in; created if needed.")],
    sample: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="IMAGE",
            help="Photograph for a sample picture; may be given several times.",
            show_default="the example photograph",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    license_id: Annotated[
        str | None,
        typer.Option(
            "--license",
            metavar="ID",
            help="Licence, as the Hub spells it.",
            show_default="what the model file says",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    private: Annotated[
        bool,
        typer.Option(
            "--private",
            help="Create the repository as private.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = False,
    network: options.Network = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show what would be published, without any network.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Publish weights, config, a model card with the Hub's metadata, and sample pictures, in one commit."""
    with failures(debug):
        from mapsr_cli.errors import UsageError
        from mapsr_cli.inference import Upscaler
        from mapsr_cli.networks import name_network
        from mapsr_cli.views.card_picture import example_picture, sample_picture
        from mapsr_cli.zoo import find_here, load_model
        from mapsr_cli.zoo.hub import publish
        from mapsr_cli.zoo.model_card import licence_of, repository_files
        from mapsr_cli.zoo.names import parse_repo_name

        if parse_repo_name(repo) is None or "@" in repo:
            raise UsageError(f"'{repo}' is not ORG/REPO", "letters, digits and . _ - on both sides of one slash")
        if network is not None:
            name_network(network)
        checkpoint = find_here(source)
        model = load_model(checkpoint)  # what does not load is not published
        terms = licence_of(model.card, license_id)
        pictures = (sample or [example_picture()]) if model.takes_pictures else []
        samples = dict(sample_picture(Upscaler(model), path) for path in pictures)
        files = repository_files(checkpoint, repo, terms, samples)
        if dry_run:
            _show(repo, files, json)
            return
        with busy(f"publishing {repo}"):
            url, commit = publish(repo, files, f"{model.card.name}, by mapsr {model.card.version}", private)
        if json:
            document({"repo": repo, "commit": commit, "url": url, "files": _sizes(files)})
        else:
            result(url)
            say(f"mapsr upscale photo.png --model {repo}@{commit}")


def _show(repo: str, files: dict[str, bytes | Path], json: bool) -> None:
    """Print what would be published: names and sizes, then config and card."""
    texts = {path: data.decode() for path, data in files.items() if isinstance(data, bytes) and _is_text(path)}
    if json:
        document({"repo": repo, "commit": None, "url": None, "files": _sizes(files), "texts": texts})
        return
    for path, size in _sizes(files).items():
        result(f"{size:>10,}  {path}")
    for path, text in texts.items():
        for line in ("", f"── {path}", *text.splitlines()):
            result(line)


def _is_text(path: str) -> bool:
    return path.endswith((".json", ".md"))


def _sizes(files: dict[str, bytes | Path]) -> dict[str, int]:
    return {path: data.stat().st_size if isinstance(data, Path) else len(data) for path, data in files.items()}
