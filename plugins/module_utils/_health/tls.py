# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate a server shows for a name, and the versions of TLS it speaks."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import typing as t
import warnings

from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Outcome

#: Days before its end at which a certificate should have been renewed; certbot does it 30 days before.
RENEWED_BEFORE = 14.0

_DAY = 86400.0
_TIMEOUT = 10.0


def certificate(name: str, connect: str, ca_file: str | None = None) -> Outcome:
    """Whether a browser would take the certificate, also in two weeks.

    Args:
        name: What is asked for (SNI), and what the certificate must be valid for.
        connect: ``host:port``.
        ca_file: Certificates to trust instead of the system's.

    Returns:
        Failed when it is not valid for the name, not trusted, over or about to be; inconclusive without an answer.
    """
    context = ssl.create_default_context(cafile=ca_file)
    try:
        with _connected(connect) as sock, context.wrap_socket(sock, server_hostname=name) as encrypted:
            shown = encrypted.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return Outcome(False, f"the certificate is not valid for {name}: {error.verify_message}")
    except (OSError, ValueError) as error:
        return Outcome(None, f"no TLS connection for {name}: {error}")
    ends = str(shown.get("notAfter", ""))
    days = (ssl.cert_time_to_seconds(ends) - time.time()) / _DAY
    return Outcome(
        days >= RENEWED_BEFORE,
        f"the certificate of {name} is valid for {days:.0f} more days",
        {"not_after": ends, "days_left": round(days, 1)},
    )


def version(name: str, connect: str) -> Outcome:
    """Whether TLS 1.2 or newer is spoken, and nothing older."""
    older = _older(name, connect)
    if isinstance(older, str):
        return Outcome(False, f"{older} is spoken; no version before TLS 1.2 is safe", {"version": older})
    try:
        spoken = _handshake(name, connect, _plain_context())
    except OSError as error:
        return Outcome(None, f"no TLS connection for {name}: {error}")
    observed = {"version": spoken}
    if older is None:
        return Outcome(None, f"{spoken} is spoken; older versions can't be tried from this server", observed)
    return Outcome(True, f"{spoken} is spoken, and nothing before TLS 1.2", observed)


def _older(name: str, connect: str) -> str | bool | None:
    """The version before TLS 1.2 that is spoken; False if none is, None if this server's OpenSSL can't try any."""
    context = _old_context()
    if context is None:
        return None
    try:
        return _handshake(name, connect, context)
    except OSError as error:
        return None if "NO_PROTOCOLS_AVAILABLE" in str(error) else False


@contextlib.contextmanager
def _connected(connect: str) -> t.Iterator[socket.socket]:
    host, _colon, port = connect.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT) as sock:
        yield sock


def _handshake(name: str, connect: str, context: ssl.SSLContext) -> str:
    with _connected(connect) as sock, context.wrap_socket(sock, server_hostname=name) as encrypted:
        return str(encrypted.version())


def _plain_context() -> ssl.SSLContext:
    """One that takes any certificate: that is asked for separately."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _old_context() -> ssl.SSLContext | None:
    """One that offers TLS 1.0 and 1.1 only; None where this Python can't."""
    context = _plain_context()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        # OpenSSL 3 offers them at its lowest security level only.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    except (ssl.SSLError, ValueError):
        return None
    return context
