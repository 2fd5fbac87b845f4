# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The socket folder of a release below /run, and that nginx finds it again after a reboot.

``/run/lockstep/<8 hex>/`` holds ``web.sock`` and ``realtime.sock``, and ``assets``, a link to the release's built
files. Where a program can only listen on a port, its socket is a link into ``/run/lockstep/nginx``, the one folder
in which nginx itself opens sockets (bridges). nginx does not remove the socket of a process that was killed, and
then can't start ("98: Address already in use"): since all of them lie in a folder of their own, they can be
cleared without looking before nginx starts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import links, live

ROOT = "/run/lockstep"
TMPFILES = "/etc/tmpfiles.d"
DROP_IN = "/etc/systemd/system/nginx.service.d/lockstep.conf"


@dataclass(frozen=True)
class Runtime:
    """The socket folder of one release.

    Args:
        release: The release's full name.
        owner: User its processes run as.
        assets: Folder of its built assets (``<bench>/sites/assets``).
        bridged: Which sockets nginx opens as bridges: ``realtime.sock``, and ``web.sock`` for an adopted bench.
        root: Folder of all sockets.
    """

    release: str
    owner: str
    assets: str
    bridged: tuple[str, ...] = (live.REALTIME,)
    root: str = ROOT

    @property
    def folder(self) -> str:
        """What ``live`` points at while the release is served."""
        return os.path.join(self.root, live.short_id(self.release))

    def socket(self, name: str) -> str:
        """A socket as clients reach it (``web.sock``, ``realtime.sock``)."""
        return live.check_socket_path(os.path.join(self.folder, name))

    def bridge(self, name: str) -> str:
        """The socket nginx opens for one that is bridged."""
        return live.check_socket_path(os.path.join(nginx_folder(self.root), f"{live.short_id(self.release)}.{name}"))

    def _links(self) -> dict[str, str]:
        links = {name: os.path.relpath(self.bridge(name), self.folder) for name in self.bridged}
        return {"assets": self.assets, **links}

    def prepare(self, tmpfiles: str = TMPFILES) -> bool:
        """Make the folder and its links, now and at every boot; can be repeated.

        Args:
            tmpfiles: Folder of systemd-tmpfiles' configuration.

        Returns:
            Whether the folder comes back after a reboot, which it does where there is systemd-tmpfiles.

        Raises:
            LockstepError: Another release has this folder, or it can't be made.
        """
        for name in (live.WEB, live.REALTIME):
            self.socket(name)
        prepare_nginx_folder(self.root, tmpfiles)
        self._claim()
        for name, target in self._links().items():
            links.switch(os.path.join(self.folder, name), target)
        return _remember(tmpfiles, f"lockstep-{live.short_id(self.release)}.conf", self._boot_lines())

    def _claim(self) -> None:
        label = os.path.join(self.folder, "release")
        try:
            os.mkdir(self.folder, 0o755)
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError), open(label, encoding="utf-8") as handle:
                if handle.read().strip() != self.release:
                    raise LockstepError(f"{self.folder} belongs to another release") from None
        except OSError as error:
            raise LockstepError(f"{self.folder} could not be made: {error.strerror}") from error
        os.chmod(self.folder, 0o755)
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.owner)
        atomic.write_text(label, self.release + "\n", mode=0o644)

    def _boot_lines(self) -> list[str]:
        lines = [f"d {_plain(self.folder)} 0755 {self.owner} - -"]
        lines.append(f"f {_plain(self.folder)}/release 0644 - - - {_plain(self.release)}")
        lines += [f"L {_plain(self.folder)}/{name} - - - - {_plain(to)}" for name, to in self._links().items()]
        return lines

    def remove(self, users: t.Iterable[live.SiteTraffic], tmpfiles: str = TMPFILES) -> bool:
        """Remove the folder of a release that was stopped; can be repeated.

        Args:
            users: The links of all sites of this server.
            tmpfiles: As for :meth:`prepare`.

        Returns:
            Whether there was anything to remove.

        Raises:
            LockstepError: A site's traffic still goes there.
        """
        for site in users:
            if self.folder in (site.current(), site.slots.candidate()):
                raise LockstepError(f"{site.site} is served by {self.release}, so its sockets stay")
            with contextlib.suppress(FileNotFoundError):
                if links.current(site.previous) == self.folder:
                    os.unlink(site.previous)
        entry = os.path.join(tmpfiles, f"lockstep-{live.short_id(self.release)}.conf")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(entry)
        if not os.path.isdir(self.folder):
            return False
        shutil.rmtree(self.folder)
        return True


def nginx_folder(root: str = ROOT) -> str:
    """Where nginx opens its own sockets."""
    return os.path.join(root, "nginx")


def prepare_nginx_folder(root: str = ROOT, tmpfiles: str = TMPFILES) -> bool:
    """Make the folder for nginx's own sockets, now and at every boot.

    Returns:
        Whether it comes back after a reboot. nginx doesn't start without it.
    """
    os.makedirs(nginx_folder(root), mode=0o755, exist_ok=True)
    for folder in (root, nginx_folder(root)):
        os.chmod(folder, 0o755)
    lines = [f"d {_plain(folder)} 0755 - - -" for folder in (root, nginx_folder(root))]
    return _remember(tmpfiles, "lockstep.conf", lines)


def clear_stale_sockets(root: str = ROOT) -> list[str]:
    """Remove sockets in nginx's folder that nobody listens on.

    Returns:
        The sockets removed.
    """
    removed = []
    folder = nginx_folder(root)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        if stat.S_ISSOCK(os.lstat(path).st_mode) and not live.listening(path):
            os.unlink(path)
            removed.append(path)
    return removed


def install_drop_in(path: str = DROP_IN, root: str = ROOT) -> bool:
    """Have systemd clear nginx's sockets before it starts nginx; whether anything changed.

    Nothing is done where no systemd runs.
    """
    text = (
        "# Written by lockstep.deploy. A killed nginx leaves its sockets behind, and the next one can't start then.\n"
        f"[Service]\nExecStartPre=-/usr/bin/find {_plain(nginx_folder(root))} -type s -delete\n"
    )
    if not os.path.isdir("/run/systemd/system") or _content(path) == text:
        return False
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    atomic.write_text(path, text, mode=0o644)
    process.run(["systemctl", "daemon-reload"], timeout=60)
    return True


def _remember(folder: str, name: str, lines: list[str]) -> bool:
    if shutil.which("systemd-tmpfiles") is None or not os.path.isdir(folder):
        return False
    text = "# Written by lockstep.deploy.\n" + "\n".join(lines) + "\n"
    path = os.path.join(folder, name)
    if _content(path) != text:
        atomic.write_text(path, text, mode=0o644)
    return True


def _content(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def _plain(text: str) -> str:
    """A word for tmpfiles.d(5) and systemd.unit(5): ``%`` begins a specifier there."""
    if any(char.isspace() or char in "\"'\\" for char in text):
        raise LockstepError(f"{text!r} can't be used as the path or name of a release")
    return text.replace("%", "%%")
