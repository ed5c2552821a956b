"""Certificates of an authority that the tests make."""

import datetime
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)


def issue(
    authority: trustme.CA, folder: Path, name: str = "localhost", days: float = 100, password: str = ""
) -> dict[str, str]:
    """Writes a certificate for this machine and its key; returns the settings of a server that name them.

    Arguments:
        days: until the certificate ends.
        password: of the key file; empty does not encrypt it.
    """
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    begin = end - datetime.timedelta(days=365)
    issued = authority.issue_cert(name, "127.0.0.1", not_before=begin, not_after=end)
    key = issued.private_key_pem.bytes()
    if password:
        encryption = BestAvailableEncryption(password.encode())
        key = load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / "cert.pem", b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    replace(folder / "key.pem", key)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    variables = {"PHOENIX_TLS_CERT_FILE": str(folder / "cert.pem"), "PHOENIX_TLS_KEY_FILE": str(folder / "key.pem")}
    return {**variables, "PHOENIX_TLS_KEY_FILE_PASSWORD": password} if password else variables


def replace(path: Path, content: bytes) -> None:
    """Puts a file in the place of another, as tools that rotate certificates do."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(path)
