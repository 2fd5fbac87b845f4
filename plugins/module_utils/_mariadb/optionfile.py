# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option file that carries a password to the MariaDB tools, as memory that no folder lists.

An anonymous file has no path that a crash could leave behind, and it ends with the last process that holds it.
It is passed as ``--defaults-file``: with ``--defaults-extra-file`` the caller's ``~/.my.cnf`` is read afterwards, and a
password in there would replace ours.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import typing as t

_MFD_NOEXEC_SEAL = 0x8  # required where the sysctl vm.memfd_noexec is 2
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b"}


def quote_option(value: str) -> str:
    """A value as option files want it: in quotes, so that ``#``, spaces and quotes are part of it."""
    return '"' + "".join(_ESCAPES.get(character, character) for character in value) + '"'


def render(groups: t.Mapping[str, t.Mapping[str, str | None]]) -> str:
    """Option groups as the text of a file; options without a value (None) are left out."""
    lines = []
    for group, options in groups.items():
        lines.append(f"[{group}]")
        lines.extend(f"{name}={quote_option(value)}" for name, value in options.items() if value is not None)
    return "\n".join(lines) + "\n"


def _anonymous_file() -> int:
    try:
        return os.memfd_create("lockstep-options", os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL)
    except OSError:  # a kernel before 6.3 doesn't know the flag
        return os.memfd_create("lockstep-options", os.MFD_CLOEXEC)


@contextlib.contextmanager
def option_file(content: str, owner: str | None) -> t.Iterator[int]:
    """Hold ``content`` in an anonymous file of mode 0600 while a child is started.

    Args:
        content: What :func:`render` made.
        owner: The user who will read it; only root can give it away.

    Yields:
        The file descriptor: pass it on to the child, which finds it as ``/proc/self/fd/<number>``.
    """
    descriptor = _anonymous_file()
    try:
        os.fchmod(descriptor, 0o600)
        if owner is not None and os.geteuid() == 0:
            account = pwd.getpwnam(owner)
            os.fchown(descriptor, account.pw_uid, account.pw_gid)
        with open(descriptor, "wb", closefd=False) as handle:
            handle.write(content.encode())
        yield descriptor
    finally:
        os.close(descriptor)
