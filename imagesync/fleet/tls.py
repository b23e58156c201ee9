"""Certificates -> TLS contexts for ``distributed`` that refuse a peer without the right role, before it can send anything.

``distributed`` checks only that a certificate is of the authority. It does not compare names, and a certificate of any
process would do as that of any other.
"""

import ssl
from collections.abc import Collection
from typing import Any, Final

from distributed.security import Security

from imagesync.fleet.roles import Role, read_role

ACCEPTED: Final = {
    Role.SCHEDULER: frozenset({Role.WORKER, Role.CLIENT}),
    Role.WORKER: frozenset[Role](),
    Role.CLIENT: frozenset[Role](),
}
"""By the role of this process, the roles of the peers that may connect to it."""


class FleetSecurity(Security):  # type: ignore[misc]
    """The TLS settings of one process. It connects only to the scheduler."""

    def __init__(self, role: Role, *, authority: str, own: str) -> None:
        super().__init__(
            tls_ca_file=authority,
            tls_client_cert=own,
            tls_scheduler_cert=own,
            tls_worker_cert=own,
            require_encryption=True,
        )
        self.role = role

    def get_connection_args(self, role: str) -> dict[str, Any]:
        """The arguments of connections from this process. ``role``: as ``distributed`` sees them."""
        return _expect(super().get_connection_args(role), {Role.SCHEDULER})

    def get_listen_args(self, role: str) -> dict[str, Any]:
        """The arguments of connections to this process. ``role``: as ``distributed`` sees them."""
        return _expect(super().get_listen_args(role), ACCEPTED[self.role])


def _expect(arguments: dict[str, Any], roles: Collection[Role]) -> dict[str, Any]:
    class CheckedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            found = read_role(self.getpeercert())
            if found not in roles:
                wanted = " or ".join(sorted(roles)) or "no process"
                reason = f"the certificate is that of a {found}" if found else "the certificate has no role"
                raise ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, f"{reason}, and {wanted} may be connected here")

    arguments["ssl_context"].sslsocket_class = CheckedSocket
    return arguments
