"""Sign an upscaled file, and the report of it, by C2PA with the user's own certificate.

https://spec.c2pa.org; the manifest names the original as what was opened, says that it was enlarged and by what kind of
algorithm, and holds the report as text. Nothing is asked of any network.
"""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from mapsr_cli import __version__
from mapsr_cli.errors import ImageError, MissingExtraError, SigningError
from mapsr_cli.imaging.digital_source import VOCABULARY
from mapsr_cli.imaging.encoding import encode
from mapsr_cli.imaging.picture import Picture
from mapsr_cli.reports.document import FileReport

REPORT = "org.mapsr.report"
"""Label of the assertion that holds the report."""
_MIME = {name: f"image/{name.lower()}" for name in ("PNG", "TIFF", "WEBP", "JPEG", "AVIF")}
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
_ORIGINAL, _ANY = "original", "application/octet-stream"
_HINT = "C2PA asks for a certificate for signing that is valid now, with its chain and its own key"
_CURVES = {256: "es256", 384: "es384", 521: "es512"}
"""By the bits of an elliptic curve's key."""


@dataclass(frozen=True)
class Certificate:
    """What signs."""

    chain: bytes
    """PEM, the signer's own certificate first."""
    key: bytes
    """PEM, the private key that belongs to it."""
    algorithm: str
    """As C2PA names it."""
    name: str
    """Whom it belongs to."""


@dataclass(frozen=True)
class Signature:
    """What a signed file says of itself."""

    valid: bool
    """Whether nothing in the file was changed since it was signed. Whether to trust the signer is another question."""
    signer: str
    report_sha256: str
    """Of the report that was signed with it."""


def read_certificate(chain: Path, key: Path) -> Certificate:
    """Read a certificate with those that vouch for it, and its private key, and try them.

    Raises SigningError where they cannot sign, MissingExtraError without the optional package.
    """
    _import()
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    certificates, secret = _read(chain), _read(key)
    try:
        loaded = x509.load_pem_x509_certificates(certificates)
        private = serialization.load_pem_private_key(secret, None)
    except TypeError as error:
        hint = "store it without one, where nobody else reads it"
        raise SigningError(f"{key} is protected by a password", hint) from error
    except ValueError as error:
        raise SigningError(f"{chain} and {key} are no certificate and private key ({error})", "both in PEM") from error
    match private:
        case ec.EllipticCurvePrivateKey() if private.curve.key_size in _CURVES:
            algorithm = _CURVES[private.curve.key_size]
        case ed25519.Ed25519PrivateKey():
            algorithm = "ed25519"
        case rsa.RSAPrivateKey():
            algorithm = "ps256"
        case _:
            raise SigningError(f"{key}: C2PA signs with no key of this kind", "ES256, ES384, ES512, Ed25519 or RSA")
    own = loaded[0]
    names = own.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME) or list(own.subject)
    # Written anew, as one file may hold both, and key files come in several forms.
    pem = serialization.Encoding.PEM
    stored = b"".join(one.public_bytes(pem) for one in loaded)
    plain = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate = Certificate(stored, plain, algorithm, str(names[0].value) if names else "unnamed")
    _try(certificate)
    return certificate


def check_signable(file_format: str) -> None:
    """Raise ImageError for a format that holds no signature."""
    if file_format not in _MIME:
        raise ImageError(f"{file_format} files hold no signature", "save as PNG, TIFF, WebP, JPEG or AVIF")


def sign(data: bytes, original: Path | None, report: FileReport, certificate: Certificate) -> bytes:
    """Return a file with its report in it, signed; its pixels and metadata stay as they are.

    `original` becomes a part of what is signed, with the history that it brings; None where it is no file. Raises
    SigningError.
    """
    text = report.to_json().decode()
    manifest = {
        "claim_generator_info": [{"name": "mapsr", "version": __version__}],
        "title": report.result.name,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": list(_actions(report))}},
            {"label": REPORT, "data": {"report_sha256": report.seal, "report": text}},
        ],
    }
    title = report.original.name
    ingredient = {"title": title, "relationship": "parentOf", "instance_id": _ORIGINAL, "label": _ORIGINAL}
    return _signed(manifest, ingredient, data, _MIME[report.result.file_format], original, certificate)


def read_signature(path: Path) -> Signature | None:
    """Read the signature of a file that `sign` made; None where it has none, or another's. Raises MissingExtraError."""
    c2pa = _import()
    try:
        with Image.open(path) as image:
            mime = Image.MIME[image.format or ""]
        with path.open("rb") as file, _context(c2pa) as context, c2pa.Reader(mime, file, context=context) as reader:
            manifests, valid = json.loads(reader.json()), reader.get_validation_state() != "Invalid"
        active = manifests["manifests"][manifests["active_manifest"]]
        said = next(entry["data"] for entry in active["assertions"] if entry["label"] == REPORT)
        signer = active["signature_info"]
        return Signature(valid, str(signer.get("common_name") or signer.get("issuer")), str(said["report_sha256"]))
    except (c2pa.C2paError, OSError, KeyError, StopIteration, ValueError):
        return None


def _actions(report: FileReport) -> Iterator[dict[str, Any]]:
    yield {"action": "c2pa.opened", "parameters": {"ingredientIds": [_ORIGINAL]}}
    width, height = report.result.size
    enlarged: dict[str, Any] = {
        "action": "c2pa.resized",
        "softwareAgent": {"name": "mapsr", "version": __version__},
        "description": f"upscaled to {width}×{height} pixels by {report.model.name}",
    }
    if report.result.label:
        enlarged["digitalSourceType"] = VOCABULARY + report.result.label
    yield enlarged


def _try(certificate: Certificate) -> None:
    """Sign a picture of one pixel: better refused now than after the work."""
    import torch

    pixel = encode(Picture(torch.zeros(1, 1, 1, dtype=torch.uint8)), "PNG", None, None)
    actions = {"actions": [{"action": "c2pa.created", "digitalSourceType": f"{VOCABULARY}algorithmicMedia"}]}
    manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": actions}]}
    _signed(manifest, None, pixel, _MIME["PNG"], None, certificate)


def _signed(
    manifest: dict[str, Any],
    ingredient: dict[str, str] | None,
    data: bytes,
    mime: str,
    original: Path | None,
    certificate: Certificate,
) -> bytes:
    c2pa = _import()
    signed = io.BytesIO()
    info = c2pa.C2paSignerInfo(certificate.algorithm.encode(), certificate.chain, certificate.key, None)
    try:
        with (
            _context(c2pa) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(manifest, context) as builder,
        ):
            if ingredient is not None:
                _add(c2pa, builder, ingredient, original)
            builder.sign(signer, mime, io.BytesIO(data), signed)
    except c2pa.C2paError as error:
        raise SigningError(f"{certificate.name} cannot sign ({' '.join(str(error).split())})", _HINT) from error
    return signed.getvalue()


def _add(c2pa: Any, builder: Any, ingredient: dict[str, str], original: Path | None) -> None:
    """Add the original, with the signature that it may have itself."""
    if original is None:
        builder.add_ingredient(ingredient, _ANY, io.BytesIO())
        return
    try:
        with Image.open(original) as image:
            mime = Image.MIME.get(image.format or "", _ANY)
    except OSError:
        mime = _ANY
    with original.open("rb") as file:
        try:
            builder.add_ingredient(ingredient, mime, file)
        except c2pa.C2paError:  # a file that its reader does not understand is named all the same
            file.seek(0)
            builder.add_ingredient(ingredient, _ANY, file)


@contextmanager
def _context(c2pa: Any) -> Iterator[Any]:
    settings = c2pa.Settings.from_dict(_SETTINGS)
    with c2pa.Context(settings) as context:
        yield context


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SigningError(f"cannot read {path}: {error.strerror or error}") from error


def _import() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise MissingExtraError("signing", "c2pa") from error
    return c2pa
