# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a bench belongs to us: its releases, the slots of ports and sockets they use, its adopted sites."""

from __future__ import annotations

import contextlib
import glob
import os
import socket
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import mutex
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App, Layout

#: Ports of one slot, in this order.
PORT_NAMES = ("web", "socketio", "redis_cache", "redis_queue")


class Release(t.NamedTuple):
    """One installed version of a bench."""

    id: str
    path: str
    slot: int
    ports: dict[str, int]
    apps: list[App]
    adopted: bool
    ready: bool

    def versions(self) -> dict[str, str | None]:
        return {app.name: app.version for app in self.apps}

    def commits(self) -> dict[str, str]:
        return {app.name: app.commit for app in self.apps}


class Record:
    """The record of one bench, changed under one lock by the bench's unit and its sites.

    Args:
        layout: Where the bench lies.
        first_port: The first port that Redis and realtime of a release may use.
        last_port: The last one.
    """

    def __init__(self, layout: Layout, first_port: int, last_port: int) -> None:
        self._layout = layout
        self._first_port = first_port
        self._last_port = last_port

    def exists(self) -> bool:
        return os.path.exists(self._layout.record)

    def release(self, release: str) -> Release | None:
        """A release that is known, whether built yet or not."""
        found = self._read()["releases"].get(release)
        return None if found is None else _release(release, found)

    def releases(self) -> list[Release]:
        return [_release(name, found) for name, found in self._read()["releases"].items()]

    def adopted(self) -> Release | None:
        return next((release for release in self.releases() if release.adopted), None)

    def require_adopted(self) -> Release:
        """The release that was found and not built.

        Raises:
            LockstepError: The bench was not adopted yet.
        """
        found = self.adopted()
        if found is None:
            raise LockstepError("this bench was not adopted yet: its record knows of no release that was found")
        return found

    def slots(self) -> dict[int, dict[str, int]]:
        """The ports of each slot; slot 0 is the adopted bench's own."""
        return {int(number): dict(ports) for number, ports in self._read()["slots"].items()}

    def sites(self) -> dict[str, dict[str, t.Any]]:
        """The adopted sites and how nginx served them."""
        return dict(self._read()["sites"])

    def adopt(self, release: str, path: str, ports: t.Mapping[str, int], apps: t.Sequence[App]) -> None:
        """Write down the bench that was found."""
        with self._changing() as content:
            content["slots"].setdefault("0", dict(ports))
            content["releases"].setdefault(release, _entry(path, 0, apps, adopted=True, ready=True))

    def provide_slots(self, count: int) -> None:
        """Have ports and bridges for releases to come, so that no later deployment has to reload nginx for them.

        Args:
            count: How many releases, beside the adopted bench, may be there at a time.
        """
        with self._changing() as content:
            taken = self._ports_of_server()
            for number in range(1, count + 1):
                if str(number) not in content["slots"]:
                    content["slots"][str(number)] = self._free_ports(taken)

    def add_site(self, site: str, served: t.Mapping[str, t.Any]) -> None:
        with self._changing() as content:
            content["sites"][site] = dict(served)

    def set_bridges(self, bridges: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        """Write down the sockets nginx opens for this bench; every bench of the server is in one nginx file."""
        with self._changing() as content:
            content["bridges"] = [dict(bridge) for bridge in bridges]

    def of_server(self) -> list[dict[str, t.Any]]:
        """The records of all benches of this server, this one among them, as they are stored."""
        pattern = os.path.join(os.path.dirname(self._layout.record), "*.json")
        return [dict(atomic.read_json(path, {})) for path in sorted(glob.glob(pattern))]

    def drop_site(self, site: str) -> None:
        with self._changing() as content:
            content["sites"].pop(site, None)

    def reserve(self, release: str, path: str, apps: t.Sequence[App]) -> Release:
        """Give a release that is about to be built a slot.

        Raises:
            LockstepError: Every slot is in use by a release that is kept, or has a port that another program took.
        """
        with self._changing() as content:
            found = content["releases"].get(release)
            if found is None:
                used = {int(entry["slot"]) for entry in content["releases"].values()}
                free = [int(number) for number in content["slots"] if int(number) not in used and number != "0"]
                slot = self._usable(free, content["slots"])
                found = content["releases"][release] = _entry(path, slot, apps, adopted=False, ready=False)
            return _release(release, {**found, "ports": content["slots"][str(found["slot"])]})

    def _usable(self, free: t.Sequence[int], slots: t.Mapping[str, t.Mapping[str, int]]) -> int:
        """The first of some slots whose ports nobody took since they were chosen, which may be long ago."""
        taken = {
            number: [port for port in slots[str(number)].values() if not _is_free(port)] for number in sorted(free)
        }
        for number, ports in taken.items():
            if not ports:
                return number
        if taken:
            told = ", ".join(str(port) for ports in taken.values() for port in ports)
            raise LockstepError(
                f"other programs listen on ports that were set aside for releases of {self._layout.name}: {told}",
                hint="end them, or make them use other ports",
            )
        raise LockstepError(
            f"all releases that {self._layout.name} can keep are in use",
            hint="finish or roll back the deployment that is open on its sites",
        )

    def mark_ready(self, release: str, apps: t.Sequence[App]) -> None:
        with self._changing() as content:
            content["releases"][release].update(ready=True, apps=[list(app) for app in apps])

    def retain(self, release: str, seconds: float) -> float:
        """Have a release kept running although no site needs it; until when (seconds since 1970) is returned."""
        with self._changing() as content:
            until = time.time() + seconds
            content["releases"][release]["retained_until"] = until
            return until

    def retained_until(self, release: str) -> float | None:
        """Until when a release is kept running although no site needs it, which may be over; None if it isn't."""
        until = self._read()["releases"].get(release, {}).get("retained_until")
        return None if until is None else float(until)

    def is_retained(self, release: str) -> bool:
        """Whether a release is kept running still."""
        until = self.retained_until(release)
        return until is not None and until > time.time()

    def forget(self, release: str) -> None:
        with self._changing() as content:
            content["releases"].pop(release, None)

    def _read(self) -> dict[str, t.Any]:
        content = dict(atomic.read_json(self._layout.record, {}))
        for name in ("releases", "slots", "sites"):
            content.setdefault(name, {})
        for found in content["releases"].values():
            found["ports"] = content["slots"].get(str(found["slot"]), {})
        return content

    @contextlib.contextmanager
    def _changing(self) -> t.Iterator[dict[str, t.Any]]:
        # One lock for the whole server: ports must not be given out twice to two benches.
        with mutex(os.path.join(self._layout.state_dir, ".ports")):
            content = self._read()
            yield content
            for found in content["releases"].values():
                found.pop("ports", None)
            atomic.write_json(self._layout.record, content, mode=0o644)

    def _ports_of_server(self) -> set[int]:
        taken: set[int] = set()
        for record in self.of_server():
            for ports in record.get("slots", {}).values():
                taken.update(ports.values())
        return taken

    def _free_ports(self, taken: set[int]) -> dict[str, int]:
        found: dict[str, int] = {}
        port = self._first_port
        for name in PORT_NAMES:
            while port in taken or not _is_free(port):
                port += 1
                if port > self._last_port:
                    raise LockstepError(f"no free port in {self._first_port}-{self._last_port} for {self._layout.name}")
            found[name] = port
            taken.add(port)
        return found


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # What is left of connections to a server that ended keeps nobody from listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _entry(path: str, slot: int, apps: t.Sequence[App], *, adopted: bool, ready: bool) -> dict[str, t.Any]:
    return {"path": path, "slot": slot, "apps": [list(app) for app in apps], "adopted": adopted, "ready": ready}


def _release(release: str, found: t.Mapping[str, t.Any]) -> Release:
    return Release(
        id=release,
        path=found["path"],
        slot=int(found["slot"]),
        ports=dict(found.get("ports", {})),
        apps=[App(*app) for app in found["apps"]],
        adopted=bool(found["adopted"]),
        ready=bool(found["ready"]),
    )
