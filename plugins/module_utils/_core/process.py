# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands as argument lists, run as the right user, with their output."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_PASSED_ON = ("LANG", "LC_ALL", "TZ", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
_FULL = os.strerror(errno.ENOSPC)
# How bench begins the lines that only tell how far it is, or that nobody answered its question.
_CHATTER = ("Updating", "Queued", "Aborted!")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Completed(t.NamedTuple):
    """What a command that ended left behind."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    def tail(self, lines: int = 20) -> str:
        """The last lines of both streams, for an error's detail."""
        return "\n".join((self.stdout.rstrip() + "\n" + self.stderr.rstrip()).strip().splitlines()[-lines:])

    def reason(self) -> str:
        """The line that says why it failed: of a full disk, else the last one, as tracebacks end with the error."""
        lines = [line.strip() for line in (self.stdout + "\n" + self.stderr).replace("\r", "\n").splitlines()]
        spoken = [line for line in lines if line and not line.startswith(_CHATTER)] or ["it said nothing"]
        return next((line for line in spoken if _FULL in line), spoken[-1])[:300]


def identity(user: str | None) -> dict[str, t.Any]:
    """Keyword arguments for ``Popen`` that make a child run as ``user``; none when we are that user already.

    Raises:
        LockstepError: There is no such user, or we may not become it.
    """
    if user is None:
        return {}
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise LockstepError(f"there is no user {user} on this server") from None
    if account.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise LockstepError(
            f"commands must run as {user}, and only root can do that", hint="set become for this server"
        )
    return {
        "user": account.pw_uid,
        "group": account.pw_gid,
        "extra_groups": os.getgrouplist(user, account.pw_gid),
    }


def environment(user: str | None, extra: t.Mapping[str, str] | None = None) -> dict[str, str]:
    """A small environment of our own: nothing of the caller's leaks into builds and migrations.

    Args:
        user: Whose HOME, USER and LOGNAME to set; ours when None.
        extra: Variables on top; PATH here replaces the default one.
    """
    account = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    found = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # Our own search path may lead through folders that another user can't enter.
    ours = account.pw_uid == os.geteuid()
    path = os.environ.get("PATH", _DEFAULT_PATH) if ours else f"{account.pw_dir}/.local/bin:{_DEFAULT_PATH}"
    found.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name, PATH=path)
    found.setdefault("LANG", "C.UTF-8")
    found.update(extra or {})
    return found


def run(
    argv: t.Sequence[str],
    *,
    user: str | None = None,
    cwd: str | None = None,
    env: t.Mapping[str, str] | None = None,
    timeout: float | None = None,
    stdin: str | t.IO[bytes] | None = None,
    check: bool = True,
    started: t.Callable[[int], None] | None = None,
) -> Completed:
    """Run a command to its end, in a process group of its own.

    Args:
        argv: The command; never through a shell. No secrets: the process list is public.
        user: Run as this user (root only).
        cwd: Working directory.
        env: Variables on top of :func:`environment`.
        timeout: Seconds after which the whole group is killed.
        stdin: Text for its standard input, where secrets may go; or an open file, also one that only we may open.
        check: Whether a return code other than 0 is an error.
        started: Called with the process id as soon as it runs, so that a journal can hold it.

    Raises:
        LockstepError: It can't be started, ran into the timeout, or failed while ``check`` is set.
    """
    name = os.path.basename(argv[0])
    text = stdin if isinstance(stdin, str) else None
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=environment(user, env),
            stdin=subprocess.PIPE if isinstance(stdin, str) else stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            **identity(user),
        )
    except OSError as error:
        raise LockstepError(f"{name} can't be started: {error.strerror or error}") from error
    if started is not None:
        started(process.pid)
    try:
        stdout, stderr = process.communicate(text, timeout=timeout)
    except subprocess.TimeoutExpired:
        _end_group(process.pid)
        stdout, stderr = process.communicate()
        done = Completed(tuple(argv), -9, stdout, stderr)
        raise LockstepError(f"{name} was ended after {timeout:g} s", detail=done.tail()) from None
    done = Completed(tuple(argv), process.returncode, stdout, stderr)
    if check and done.rc != 0:
        command = " ".join([name, *argv[1:4]])
        raise LockstepError(f"{command} failed with return code {done.rc}: {done.reason()}", detail=done.tail())
    return done


def _end_group(group: int) -> None:
    try:
        os.killpg(group, 9)
    except ProcessLookupError:
        return
