"""An authority of one's own, and the certificate that it gave a server of this machine."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_SERVER = ("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE")


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: the server's certificate and its key, and that of who vouches for it."""

    certificate: Path
    key: Path
    authority: Path


def certificate_in(folder: Path) -> Certificate:
    """Makes an authority and a certificate for 127.0.0.1."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    certificate, key = folder / "server.pem", folder / "server.key"
    _make(authority, authority_key, "-subj", "/CN=authority")
    _make(
        certificate,
        key,
        *("-subj", "/CN=server", "-CA", str(authority), "-CAkey", str(authority_key)),
        *_SERVER,
    )
    return Certificate(certificate, key, authority)


def _make(certificate: Path, key: Path, *options: str) -> None:
    command = [*_NEW, "-out", str(certificate), "-keyout", str(key), *options]
    subprocess.run(command, check=True, capture_output=True)
