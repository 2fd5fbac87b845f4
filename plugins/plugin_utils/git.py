# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""git on the controller: nothing asks, nothing runs a helper that a URL names, nothing shows a password."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils.urls import Address, without_credentials

_PROTOCOLS = "https:http:ssh:file"
# What a user may have set for git on purpose; all other GIT_ variables (a hook's GIT_DIR, say) would mislead it.
_KEPT = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|SSL_.*|PROXY_.*|CONFIG_GLOBAL|CONFIG_SYSTEM|CONFIG_NOSYSTEM|EXEC_PATH)$"
)
_SETTINGS = (
    "protocol.ext.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "fetch.unpackLimit=1",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
)
# Gives git the name and password of a URL through the environment: an argument list is public.
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$LOCKSTEP_GIT_USER" "$LOCKSTEP_GIT_PASSWORD"; }; f'
)


class GitError(LockstepError):
    """git failed; the message is its last words, without credentials."""


def run(
    arguments: t.Sequence[str], *, timeout: float, address: Address | None = None, repository: str | None = None
) -> str:
    """Run git.

    Args:
        arguments: Subcommand and arguments; URLs behind ``--``.
        timeout: Seconds after which it is ended.
        address: The remote it talks to, for its credentials.
        repository: Path of a bare repository it works in.

    Returns:
        Its standard output.

    Raises:
        GitError: It failed, took too long, or is not installed.
    """
    argv = ["git"]
    for setting in _SETTINGS:
        argv += ["-c", setting]
    if repository is not None:
        argv += ["--git-dir", repository]
    try:
        done = process.run([*argv, *arguments], env=_environment(address), cwd="/", timeout=timeout, check=False)
    except LockstepError as error:
        raise GitError(error.message) from error
    if done.rc != 0:
        raise GitError(_last_words(done.stderr, address) or f"git {arguments[0]} failed with return code {done.rc}")
    return done.stdout


def _environment(address: Address | None) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or _KEPT.match(name)}
    found.update(
        LC_ALL="C",
        GIT_TERMINAL_PROMPT="0",
        GIT_ASKPASS="",
        SSH_ASKPASS="",
        GIT_ALLOW_PROTOCOL=_PROTOCOLS,
        GIT_OPTIONAL_LOCKS="0",
    )
    if address is not None and (address.username or address.password):
        found.update(
            LOCKSTEP_GIT_USER=address.username or "",
            LOCKSTEP_GIT_PASSWORD=address.password or "",
            GIT_CONFIG_COUNT="2",
            GIT_CONFIG_KEY_0="credential.helper",
            GIT_CONFIG_VALUE_0="",
            GIT_CONFIG_KEY_1="credential.helper",
            GIT_CONFIG_VALUE_1=_HELPER,
        )
    return found


def _last_words(stderr: str, address: Address | None) -> str:
    """What git said at the end, on one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines
    text = re.sub(r"^(fatal|error|remote): *", "", without_credentials(telling[0] if telling else ""))
    for secret in (address.username, address.password) if address else ():
        if secret:
            text = text.replace(secret, "***")
    return text.rstrip(".")
