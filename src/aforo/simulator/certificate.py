"""A self-signed certificate for one run of the simulator, as most Web Endpoints have one."""

import ssl
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aforo.clock import SystemClock

_NAMES = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.IPAddress(ip_address("::1")),
)
_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its TLS context.

    ``pem`` is the certificate alone, usable as a CA file; ``fingerprint`` its SHA-256, 64 lower-case hex digits.
    """

    pem: str
    fingerprint: str
    context: ssl.SSLContext


def self_signed(days: int = 30) -> Certificate:
    """Make a key and a certificate for this machine, valid for so many days; with a negative number, no longer valid.

    Blocks for some milliseconds; no file outlives the call.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(key, days)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:  # load_cert_chain only reads files
        chain = Path(folder) / "chain.pem"
        chain.write_bytes(secret + pem)
        context.load_cert_chain(chain)
    return Certificate(pem.decode(), certificate.fingerprint(hashes.SHA256()).hex(), context)


def _signed(key: ec.EllipticCurvePrivateKey, days: int) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aforo simulator")])
    now = SystemClock().now()  # TLS clients use the machine's clock, not the servers' simulated one
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1 + abs(days)))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
