"""Certificates of an authority that the tests make."""

import datetime
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
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


def issue_svid(authority: trustme.CA, folder: Path, *uris: str, dns: str = "", cn: str = "") -> Path:
    """Writes a client's certificate with these URIs, and its key; returns where. With one SPIFFE ID it is an SVID."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
    names += [x509.DNSName(dns)] if dns else []
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, cn)] if cn else [])
    builder = (
        x509.CertificateBuilder(issuer.subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)  # type: ignore[arg-type]
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not cn)
    authority_key = load_pem_private_key(authority.private_key_pem.bytes(), None)
    certificate = builder.sign(authority_key, hashes.SHA256())  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder
