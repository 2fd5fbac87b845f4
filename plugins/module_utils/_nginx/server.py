# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes to a running nginx that are in force when the call returns, or undone.

``nginx -t`` and ``nginx -s reload`` can both return 0 while the old configuration goes on being served (a port
that is in use, a name that stands in an earlier file). So the running server is asked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, clock, process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import ask
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.claims import shadowed
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.drift import Drift
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.master import Master
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Configuration, parse

_POLL = 0.02
_COMMAND_TIMEOUT = 60.0
# A master that can't open a port tries five times, half a second apart, before it gives up.
_STILL_TRYING = "bind() to "
_COPIES = 10

Files = t.Mapping[str, t.Optional[str]]


class Wanted(t.NamedTuple):
    """Name of a file → its text, or None for none; and what the server answers then, None for nothing it knows of."""

    files: Files
    generation: str | None


class Applied(t.NamedTuple):
    """What a change came to.

    ``warnings`` are nginx's own, without those that say a later file repeats a name of ours. ``overwritten`` are copies
    of files that were changed by hand.
    """

    changed: bool
    generation: str | None
    warnings: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()


class Nginx:
    """One nginx on this server, changed by nobody else of ours at the same time.

    Args:
        binary: Its program.
        conf: Its main configuration file.
        prefix: Its prefix path (``-p``); the compiled one when None.
        conf_dir: Folder of the files that are ours to change; the main file includes ``*.conf`` of it.
        state: Folder for the lock and for what to put back after an interruption.
        generation_socket: Where the running server says which generation it serves.
    """

    def __init__(
        self,
        binary: str = "nginx",
        conf: str = "/etc/nginx/nginx.conf",
        prefix: str | None = None,
        conf_dir: str = "/etc/nginx/conf.d",
        state: str = "/var/lib/lockstep/nginx",
        generation_socket: str = "/run/lockstep/nginx/generation.sock",
    ) -> None:
        self._command = [binary, "-c", conf, *(("-p", prefix) if prefix else ())]
        self._binary = binary
        self._prefix = prefix
        self._conf_dir = conf_dir
        self._state = state
        self._pending = os.path.join(state, "pending.json")
        self._socket = generation_socket

    def test(self) -> tuple[str, ...]:
        """Check the whole configuration as it lies on disk.

        Returns:
            nginx's warnings.

        Raises:
            LockstepError: nginx does not take it; ``detail`` holds its words.
        """
        return self._read_by_nginx("-t")[0]

    def configuration(self) -> Configuration:
        """What nginx would read now.

        Raises:
            LockstepError: nginx does not take it.
        """
        return Configuration(self._read_by_nginx("-T")[1])

    def _read_by_nginx(self, option: str) -> tuple[tuple[str, ...], str]:
        """nginx's warnings, and what it printed."""
        done = process.run([*self._command, option], timeout=_COMMAND_TIMEOUT, check=False)
        words = [line.partition("nginx: ")[2] or line for line in done.stderr.splitlines() if line.strip()]
        if done.rc != 0:
            first = next((line for line in words if "[emerg]" in line), words[0] if words else f"return code {done.rc}")
            raise LockstepError(f"nginx does not take its configuration: {first}", detail=words)
        return tuple(line for line in words if "[warn]" in line), done.stdout

    def master(self) -> Master:
        """The running server that belongs to this configuration."""
        return self._master(self.configuration())

    def _master(self, configuration: Configuration) -> Master:
        return Master.of(configuration, self._binary, self._prefix)

    def serving(self) -> str | None:
        """The generation the running server says it serves; None when it doesn't know of any."""
        return ask.generation(self._socket)

    def apply(
        self,
        files: Files,
        generation: str | None,
        confirm: t.Callable[[], None] | None = None,
        timeout: float = 30.0,
        overwrite: bool = False,
    ) -> Applied:
        """Change files, and return when the running server serves them; see :meth:`bring`.

        Args:
            files: Name in ``conf_dir`` → text, or None to remove the file.
            generation: What the server will answer then; None when it will not know of any.
            confirm: As for :meth:`bring`, and so the others.
            timeout: The same.
            overwrite: The same.
        """
        return self.bring(lambda: Wanted(files, generation), confirm, timeout, overwrite)

    def bring(
        self,
        render: t.Callable[[], Wanted],
        confirm: t.Callable[[], None] | None = None,
        timeout: float = 30.0,
        overwrite: bool = False,
    ) -> Applied:
        """Bring files to what somebody says, and return when the running server serves them.

        Args:
            render: Says it, once nobody else is changing nginx: who waited meanwhile finds what was written down since,
                and that all of it is served already. So many changes at a time take one reload, and none is lost.
            confirm: Called when the change is in force; when it raises, everything is put back.
            timeout: Seconds to wait for the lock, and again for the server to serve the change.
            overwrite: Whether files that were changed by hand are overwritten; a copy is kept.

        Returns:
            Whether anything changed. Files that are as wanted and served cause no reload.

        Raises:
            LockstepError: It is not in force. The files from before are back, and served.
        """
        with self._lock(timeout):
            # What was interrupted may be what nginx no longer takes, and this change its repair.
            with contextlib.suppress(LockstepError):
                self._finish_interrupted(timeout)
            files, generation = render()
            before = self._read(files)
            if before == dict(files) and self.serving() == generation:
                return Applied(False, generation)
            self._refuse_changed_by_hand(before, files, overwrite)
            copies = self._keep_changed_by_hand(before, files)
            reloaded = False
            try:
                self._begin(before)
                self._write(files)
                warnings, configuration = self._accepted(files)
                master = self._master(configuration)
                reloaded = master.pid() is not None
                self._take_over(master, generation, timeout)
                ask.fronts(self._parsed(files), generation)
                if confirm is not None:
                    confirm()
            except BaseException as error:
                self._put_back(before, reloaded, timeout, error)
                raise
            self._end()
        return Applied(True, generation, warnings, copies)

    def look(self, wanted: Wanted) -> list[Drift]:
        """How each file differs from what is wanted; nothing is changed."""
        found, served = self._read(wanted.files), self.serving()
        return [
            Drift(self._path(name), found[name], text, served, wanted.generation) for name, text in wanted.files.items()
        ]

    def recover(self, timeout: float = 30.0) -> bool:
        """Finish what an interrupted :meth:`apply` left: put its files back.

        Returns:
            Whether there was anything to put back.
        """
        with self._lock(timeout):
            return self._finish_interrupted(timeout)

    def _drifts(self, before: Files, files: Files) -> list[Drift]:
        found = [Drift(self._path(name), before[name], text, None, None) for name, text in files.items()]
        return [drift for drift in found if drift.by_hand]

    def _refuse_changed_by_hand(self, before: Files, files: Files, overwrite: bool = False) -> None:
        for drift in () if overwrite else self._drifts(before, files):
            raise drift.refusal()

    def _keep_changed_by_hand(self, before: Files, files: Files) -> tuple[str, ...]:
        """Copies of files that are about to be overwritten."""
        folder = os.path.join(self._state, "overwritten")
        kept = []
        for drift in self._drifts(before, files):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            kept.append(os.path.join(folder, f"{clock.utc_now()}-{os.path.basename(drift.path)}"))
            atomic.write_text(kept[-1], drift.found or "")
            for name in sorted(os.listdir(folder))[:-_COPIES]:
                os.unlink(os.path.join(folder, name))
        return tuple(kept)

    @contextlib.contextmanager
    def _lock(self, timeout: float) -> t.Iterator[None]:
        os.makedirs(self._state, mode=0o700, exist_ok=True)
        deadline = time.monotonic() + timeout
        with open(os.path.join(self._state, "lock"), "a", encoding="ascii") as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise LockstepError(
                            f"another change of nginx is under way for more than {timeout:g} s",
                            left="nothing was changed",
                        ) from None
                    time.sleep(_POLL)
            yield

    def _path(self, name: str) -> str:
        if os.path.basename(name) != name or not name.endswith(".conf"):
            raise LockstepError(f"{name!r} is not the name of a file in {self._conf_dir}")
        return os.path.join(self._conf_dir, name)

    def _read(self, files: Files) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for name in files:
            try:
                with open(self._path(name), encoding="utf-8", errors="surrogateescape") as handle:
                    found[name] = handle.read()
            except FileNotFoundError:
                found[name] = None
        return found

    def _write(self, files: Files) -> None:
        found = self._read(files)
        for name, text in files.items():
            # Where there is no room, what was never replaced needs none to be put back.
            if text is not None and text != found[name]:
                atomic.write_text(self._path(name), text, mode=0o644)
            elif text is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path(name))
        atomic.fsync_dir(self._conf_dir)

    def _parsed(self, files: Files) -> list[t.Any]:
        return [item for name, text in files.items() for item in parse(text or "", self._path(name))]

    def _accepted(self, files: Files) -> tuple[tuple[str, ...], Configuration]:
        warnings, dump = self._read_by_nginx("-T")
        configuration = Configuration(dump)
        taken = shadowed(configuration, [self._path(name) for name in files])
        if taken:
            raise LockstepError(
                f"another server in nginx's configuration has names of ours: {'; '.join(taken)}",
                detail=[*taken, *warnings],
                hint="remove the name there, or let that file be read later",
            )
        # The same name in a later file is what adoption leaves behind on purpose.
        return tuple(line for line in warnings if "conflicting server name" not in line), configuration

    def _take_over(self, master: Master, generation: str | None, timeout: float) -> None:
        """Reload, and wait until the new configuration is the only one that takes requests."""
        master.require()
        old, position = master.workers(), master.log_position()
        process.run([*self._command, "-s", "reload"], timeout=_COMMAND_TIMEOUT)
        deadline = time.monotonic() + timeout
        while True:
            emergencies = master.emergencies(position)
            if any(not line.startswith(_STILL_TRYING) for line in emergencies):
                raise LockstepError(f"nginx did not take the new configuration: {emergencies[0]}", detail=emergencies)
            if not old & master.workers() and self.serving() == generation:
                return
            if master.pid() is None:
                raise LockstepError("nginx's master process is gone", hint="start it (systemctl start nginx)")
            if time.monotonic() >= deadline:
                raise LockstepError(
                    f"{timeout:g} s after its reload nginx serves generation {self.serving()}, not {generation}",
                    detail=emergencies,
                    hint=f"look into {master.error_log or 'its error log'}",
                )
            time.sleep(_POLL)

    def _begin(self, before: Files) -> None:
        atomic.write_json(self._pending, {"files": dict(before), "generation": self.serving()})

    def _end(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._pending)
        atomic.fsync_dir(self._state)

    def _finish_interrupted(self, timeout: float) -> bool:
        pending = atomic.read_json(self._pending)
        if pending is None:
            return False
        self._refuse_changed_by_hand(self._read(pending["files"]), pending["files"])
        self._restore(pending["files"], pending["generation"], True, timeout)
        return True

    def _restore(self, before: Files, generation: str | None, reloaded: bool, timeout: float) -> None:
        self._write(before)
        master = self.master()
        if reloaded and master.pid() is not None:
            self._take_over(master, generation, timeout)
        self._end()

    def _put_back(self, before: Files, reloaded: bool, timeout: float, error: BaseException) -> None:
        """Undo a change that failed, and tell in its error how that went."""
        generation = (atomic.read_json(self._pending) or {}).get("generation")
        try:
            self._restore(before, generation, reloaded, timeout)
            left = "the configuration from before is in force" if reloaded else "the files from before are back"
            if reloaded and self.serving() != generation:
                left = "the files from before are back, and nginx takes them when it starts"
        except LockstepError as second:
            left = f"the files from before are back, but: {second.message}"
        if isinstance(error, LockstepError):
            error.left = left
