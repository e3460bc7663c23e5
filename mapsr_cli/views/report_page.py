"""The report of an upscaled file, and the index of a batch, as pages for people."""

from collections.abc import Iterable, Sequence
from dataclasses import is_dataclass
from html import escape
from urllib.parse import quote

from mapsr_cli.reports.document import FileReport
from mapsr_cli.reports.index import Index
from mapsr_cli.views.slider import page

_EVIDENCE = {
    "levels": "the samples of the original, as they are stored",
    "noise": "the samples of the original, within ±3 σ of noise",
    "jpeg": "the interval of each coefficient that the original, a JPEG, states",
}
_MEASURES = {
    "coefficients": "Coefficients compared",
    "inside": "Share of coefficients inside their intervals",
    "worst_steps": "Farthest beyond an interval, in steps",
    "infeasible_blocks": "Blocks that no picture satisfies",
    "bit_exact": "Share of samples given back",
    "worst_levels": "Largest difference, in levels",
    "lr_psnr_file": "PSNR of what is given back, dB",
    "mse_float": "Mean squared error before rounding",
    "max_abs_float": "Largest error before rounding",
    "passes": "Passes of the round trip",
}
"""What figures of `FileReport.verification` are called for people; others keep their names."""
Fact = tuple[str, str]
"""What is to be said, and of what."""


def report_page(report: FileReport, name: str) -> str:
    """Return the HTML document of a report, which as JSON has that file name."""
    original, result, model = report.original, report.result, report.model
    sections = [
        ("What the result cannot tell", _listed(report.limits)),
        ("Files", _facts(_files(report))),
        ("What was promised", _facts(_promised(report))),
        ("Model", _facts(_model(report))),
        ("Kernel", _kernel(report)),
        ("Settings", _facts(_settings(report))),
        ("Computed with", _facts(_machine(report))),
        ("To check it", _checking(report, name)),
    ]
    if report.notes:
        sections.insert(3, ("Notes", _listed(report.notes)))
    size = f"{original.size[0]} × {original.size[1]} pixels to {result.size[0]} × {result.size[1]}"
    lead = f"{original.name} was upscaled from {size}, by mapsr with the model {model.name}. {verdict(report)}"
    body = f"<h1>{escape(result.name)}: how it was made</h1>\n<p>{escape(lead)}</p>\n"
    body += "".join(f"<h2>{escape(title)}</h2>\n{content}" for title, content in sections)
    return page(f"{result.name}: how it was made", body)


def verdict(report: FileReport) -> str:
    """Say in a sentence whether what was promised was kept."""
    match report.promise.kept:
        case True:
            return f"What was promised holds: {report.promise.text}."
        case False:
            return f"What was promised does not hold for every sample: {report.promise.text}."
    return f"Promised was {report.promise.text}."


def index_page(index: Index) -> str:
    """Return the HTML document of an index."""
    verdicts = {True: "kept", False: "not for every sample", None: "nothing was promised"}
    rows = "".join(
        f'<tr><td><a href="{quote(entry.result)}">{escape(entry.result)}</a></td>'
        f"<td>{escape(entry.original)}</td><td>{escape(entry.model)}</td><td>{verdicts[entry.kept]}</td>"
        f'<td><a href="{quote(_page_of(entry.report))}">page</a>, <a href="{quote(entry.report)}">JSON</a></td>'
        f"<td><code>{entry.result_sha256[:16]}…</code></td></tr>\n"
        for entry in index.results
    )
    heads = "".join(
        f"<th>{head}</th>" for head in ("result", "original", "model", "promise", "report", "SHA-256 of the result")
    )
    count = f"{len(index.results)} upscaled picture{'s' * (len(index.results) != 1)}"
    body = f"<h1>{count}</h1>\n"
    body += f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n'
    if index.failed:
        failed = [f"{failure.original}: {failure.error}" for failure in index.failed]
        body += f"<h2>Failed in the last batch</h2>\n{_listed(failed)}"
    return page(count, body)


def _page_of(report: str) -> str:
    return f"{report.removesuffix('.json')}_report.html"


def _files(report: FileReport) -> Iterable[Fact]:
    for title, file in (("Original", report.original), ("Result", report.result)):
        yield title, f"{file.name}, {file.size[0]} × {file.size[1]} pixels"
        yield f"SHA-256 of the {title.lower()}", file.sha256
    original, result = report.original, report.result
    frames = f", {original.frames} frames" if original.frames > 1 else ""
    yield "Samples", f"{original.channels} a pixel, {original.bits} bits{frames}"
    quality = "" if result.quality is None else f", quality {result.quality}"
    yield "Format", f"{result.file_format}{quality}, {'lossless' if result.lossless else 'lossy'}"
    yield "Label (IPTC)", result.label or "none"
    yield "SHA-256 of the samples", result.samples_sha256
    yield "Signed by (C2PA)", result.signed_by or "nobody"
    yield "Written", report.written
    yield "Command", report.command


def _promised(report: FileReport) -> Iterable[Fact]:
    yield "Taken as known", _EVIDENCE.get(report.promise.evidence, report.promise.evidence)
    yield from ((name, _text(value)) for name, value in report.promise.evidence_is.items())
    yield "Promised", report.promise.text
    yield "Kept", {True: "yes", False: "not for every sample", None: "–"}[report.promise.kept]
    for name, value in report.verification.items():
        if value is not None:
            yield _MEASURES.get(name, name), f"{value:.6g}" if isinstance(value, float) else f"{value}"


def _model(report: FileReport) -> Iterable[Fact]:
    model = report.model
    yield "Name", model.name
    yield "File", model.file
    yield "SHA-256 of the model", model.sha256
    yield "Network", model.architecture
    yield "Method", model.method or "unknown"
    if model.description:
        yield "Description", model.description
    yield "Licence", model.license or "unknown"
    for data in model.data:
        images = "" if data.images is None else f", {data.images} images"
        yield "Learnt from", f"{data.name}{images}: {data.terms}"
    if not model.data:
        yield "Learnt from", "unknown"


def _kernel(report: FileReport) -> str:
    kernel = report.kernel
    names = ("name", "scale", "sigma", "phase", "border", "first", "small", "large", "sha256")
    facts = _facts((name, _text(kernel[name])) for name in names if kernel.get(name) is not None)
    taps = kernel.get("taps")
    if taps is None:
        return facts
    rows = taps if isinstance(taps[0], list | tuple) else [taps]
    text = "\n".join(" ".join(f"{tap:.6g}" for tap in row) for row in rows)
    return f'{facts}<details><summary>Taps</summary><div class="scroll"><pre>{escape(text)}</pre></div></details>\n'


def _settings(report: FileReport) -> Iterable[Fact]:
    for name, value in vars(report.settings).items():
        if value is not None:
            yield name, _text(value)
    yield "sample", str(report.sample)


def _text(value: object) -> str:
    """Write a value for people: several behind one another, of a dataclass what is given."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if is_dataclass(value):
        return ", ".join(f"{name} {_text(given)}" for name, given in vars(value).items() if given is not None)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _machine(report: FileReport) -> Iterable[Fact]:
    machine = report.machine
    yield "Device", f"{machine.device}: {machine.device_name}"
    yield "Precision of the network", machine.precision
    yield "Threads", str(machine.threads)
    yield "Processor", machine.processor
    yield "Its vector instructions", ", ".join(machine.features)
    yield "System", machine.system
    yield "Versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    yield "SHA-256 of mapsr's source", machine.code_sha256
    if machine.environment:
        yield "Environment", ", ".join(f"{name}={value}" for name, value in machine.environment.items())


def _checking(report: FileReport, name: str) -> str:
    by = report.result.signed_by
    signed = "Nobody has signed it." if by is None else f"Picture and report are signed with the certificate of {by}."
    return (
        f"<p>Make the picture again from the original and the model, and compare it to the bit:</p>\n"
        f"<pre>mapsr redo {escape(name)} {escape(report.original.name)}</pre>\n"
        f"<p>The report as data is {escape(name)}. It states a SHA-256 of itself, which tells that something in it was "
        f"changed, but not by whom. {escape(signed)}</p>\n"
    )


def _facts(facts: Iterable[Fact]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in facts)
    return f'<dl class="facts">\n{rows}</dl>\n'


def _listed(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>\n" for line in lines)
    return f"<ul>\n{items}</ul>\n"
