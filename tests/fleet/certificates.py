"""A certificate authority and the certificates of a fleet, as files in a folder. Needs ``cryptography``."""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROLES = ("scheduler", "worker", "client")


class Authority:
    """An authority whose certificate is ``ca.pem`` in a folder, and which adds others to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        folder.mkdir(exist_ok=True)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the authority of a test")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._begin(self._name, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(usage, True).add_extension(_identify(self._key), False)
        (folder / "ca.pem").write_bytes(_encode(builder.sign(self._key, hashes.SHA256())))

    def issue(
        self,
        role: str,
        *,
        name: str = "",
        unit: str | None = None,
        targets: Sequence[str] = (),
        days: int = 1,
        delay: int = 0,
        has_purpose: bool = True,
    ) -> Path:
        """Write the certificate and key of a process to ``NAME.pem``. ``days``: until it expires, which may be past.
        ``delay``: days until it is valid.

        ``name``: of the file, by default its role. ``unit``: in its subject, by default its role; empty: none.
        ``has_purpose``: whether TLS allows it only as that of a server or only as that of a client.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name or role)]
        if unit != "":
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit or role))
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        names += [x509.UniformResourceIdentifier(f"imagesync-target:{target}") for target in targets]
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if role == "scheduler" else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._begin(x509.Name(attributes), key, days, delay)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        if has_purpose:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), False)
        issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        own = _encode(builder.add_extension(issued_by, False).sign(self._key, hashes.SHA256()))
        file = self.folder / f"{name or role}.pem"
        file.touch(mode=0o600)
        file.write_bytes(own + _encode_key(key))
        return file

    def _begin(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 1, delay: int = 0
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        first = now - datetime.timedelta(days=2) if days < 0 else now - datetime.timedelta(minutes=5)
        first += datetime.timedelta(days=delay)
        return builder.not_valid_before(first).not_valid_after(now + datetime.timedelta(days=days))


def write_certificates(folder: Path) -> Path:
    """Write ``ca.pem`` and the certificate with the key of each role. Returns the folder."""
    authority = Authority(folder)
    for role in ROLES:
        authority.issue(role)
    return folder


def _identify(key: ec.EllipticCurvePrivateKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _encode(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    encryption = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
