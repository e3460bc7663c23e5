"""Certificates of one's own making, as C2PA wants them."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS: dict[str, Any] = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ps256": lambda: rsa.generate_private_key(65537, 2048),
}
DAY = datetime.timedelta(1)


@dataclass(frozen=True)
class Issued:
    """Files of a certificate with its chain, and of its key."""

    chain: Path
    key: Path


def issue(folder: Path, kind: str = "es256", *, days: int = 30, password: bytes | None = None) -> Issued:
    """Write a certificate "Archive of Tests", signed by an authority of our own, that ends in so many days."""
    now = datetime.datetime.now(datetime.UTC)
    authority, key = ec.generate_private_key(ec.SECP256R1()), KEYS[kind]()
    root = (
        _certificate("Authority", "Authority", authority.public_key(), now - 9 * DAY, now + 99 * DAY)
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(_usage(signs_certificates=True), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), False)
        .sign(authority, hashes.SHA256())
    )
    own = (
        _certificate("Archive of Tests", "Authority", key.public_key(), now - 9 * DAY, now + days * DAY)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(_usage(signs_certificates=False), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(authority, hashes.SHA256())
    )
    issued = Issued(folder / f"{kind}.pem", folder / f"{kind}.key")
    issued.chain.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (own, root)))
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    stored = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    issued.key.write_bytes(stored)
    return issued


def _certificate(
    subject: str, issuer: str, key: Any, start: datetime.datetime, end: datetime.datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer)).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)


def _name(text: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
