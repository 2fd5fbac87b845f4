# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two real name servers, one primary and one secondary, and deployment files with records in their zones."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from ansible_collections.lockstep.deploy.plugins.plugin_utils import deployment, options
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns import run, tasks
from tests.support.daemons import Daemon, free_port, wait_until
from tests.support.services import program

CLONE = pathlib.Path(__file__).parents[3]
ADDRESS = "127.0.0.1"
KEY, SECRET, OTHER_SECRET = "lockstep-key", "c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMgbG9uZw==", "YW5vdGhlciBzZWNyZXQ="

#: The algorithms that a key may have, each with a key of that name.
ALGORITHMS = ("hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")

#: All take updates with the keys and are transferred to the secondary, but for what their names say.
ZONES = ("example.test", "silent.test", "static.test", "named.test")
#: The secondary isn't told of changes, so that it goes on with what it has.
SILENT = "silent.test"
#: No update is accepted.
STATIC = "static.test"
#: The key may set addresses of www alone.
NAMED = "named.test"

_KEYS = {KEY: "hmac-sha256", **{algorithm: algorithm for algorithm in ALGORITHMS}}
_RECORDS = """$TTL 3600
@ IN SOA ns1 hostmaster 1 3600 600 86400 7
@ IN NS ns1
@ IN NS ns2
ns1 IN A 127.0.0.1
ns2 IN AAAA ::1
given IN NS ns.elsewhere.invalid.
*.wild 120 IN A 192.0.2.9
"""


class Named(Daemon):
    """A BIND of its own.

    Args:
        scratch: Where its folder is made.
        name: Its name.
        port: The port of 127.0.0.1 it listens on.
    """

    start_timeout = 15.0

    def __init__(self, scratch: pathlib.Path, name: str, port: int) -> None:
        super().__init__(name, scratch)
        self.port = port

    def prepare(self) -> None:
        (self.folder / "named.conf").write_text(
            "".join(
                f'key "{name}" {{ algorithm {algorithm}; secret "{SECRET}"; }};\n' for name, algorithm in _KEYS.items()
            )
            + f"""
options {{
    directory "{self.folder}";
    pid-file none; session-keyfile "{self.folder}/session.key"; managed-keys-directory "{self.folder}";
    listen-on port {self.port} {{ {ADDRESS}; }}; listen-on-v6 {self.six()};
    recursion no; dnssec-validation no; notify no; notify-delay 0; serial-query-rate 100;
}};
controls {{ }};
"""
            + "\n".join(map(self.zone, ZONES))
        )

    def six(self) -> str:
        """Where it listens on IPv6."""
        return "{ none; }"

    def zone(self, zone: str) -> str:
        """Its settings of a zone."""
        raise NotImplementedError

    def command(self) -> list[str]:
        return [program("named"), "-g", "-n", "1", "-c", str(self.folder / "named.conf")]

    def ready(self) -> bool:
        return all(self.ask(zone, "SOA") for zone in ZONES)

    def ask(self, name: str, kind: str = "A") -> list[str]:
        """Records it serves, as ``TTL value``; none if it has no answer."""
        try:
            answer = dns.query.udp(dns.message.make_query(name, kind), ADDRESS, timeout=1, port=self.port)
        except dns.exception.Timeout:
            return []
        wanted = dns.rdatatype.from_text(kind)
        found = [rrset for rrset in answer.answer if rrset.rdtype == wanted]
        return sorted(f"{rrset.ttl} {rdata.to_text()}" for rrset in found for rdata in rrset)


class Primary(Named):
    """It takes updates, and tells the secondary."""

    def __init__(self, scratch: pathlib.Path) -> None:
        super().__init__(scratch, "primary", free_port())
        self.secondary_port = free_port()

    def prepare(self) -> None:
        super().prepare()
        for zone in ZONES:
            (self.folder / f"{zone}.zone").write_text(_RECORDS)

    def zone(self, zone: str) -> str:
        policy = {
            STATIC: "",
            NAMED: f'update-policy {{ grant "{KEY}" name www.{NAMED} A; }};',
        }.get(zone, f"allow-update {{ {' '.join(f'key {name};' for name in _KEYS)} }};")
        told = "" if zone == SILENT else f"notify explicit; also-notify {{ {ADDRESS} port {self.secondary_port}; }};"
        return f'zone "{zone}" {{ type primary; file "{zone}.zone"; allow-transfer {{ any; }}; {policy} {told} }};'


class Secondary(Named):
    """It serves what the primary has; by IPv6 on the port of the primary, so that both can be asked on one port."""

    def __init__(self, scratch: pathlib.Path, primary: Primary) -> None:
        super().__init__(scratch, "secondary", primary.secondary_port)
        self._primary = primary

    def six(self) -> str:
        return f"port {self._primary.port} {{ ::1; }}"

    def zone(self, zone: str) -> str:
        source = f"primaries {{ {ADDRESS} port {self._primary.port}; }};"
        return f'zone "{zone}" {{ type secondary; file "{zone}.copy"; {source} }};'


class Answer(t.NamedTuple):
    """What a run of the playbook said."""

    status: int
    output: str
    changed: int


class Scene:
    """Both name servers, and what is deployed in a folder of a test's own.

    Args:
        primary: The primary.
        secondary: The secondary.
        folder: Where the deployment file and the state of the site's server are.
    """

    def __init__(self, primary: Named, secondary: Named, folder: pathlib.Path) -> None:
        self.primary, self.secondary = primary, secondary
        self.folder = folder
        self.said: list[str] = []
        self.warnings: list[str] = []

    def zone(self, **more: t.Any) -> dict[str, t.Any]:
        """Settings of a zone; ``more`` replaces some."""
        return {
            "server": ADDRESS,
            "port": self.primary.port,
            "name_servers": [f"{ADDRESS}:{self.primary.port}", f"{ADDRESS}:{self.secondary.port}"],
            "key_name": KEY,
            "key_secret": SECRET,
            "timeout": 20,
            **more,
        }

    def write(
        self, *records: dict[str, t.Any], zone: t.Mapping[str, t.Any] | None = None, **more: t.Any
    ) -> pathlib.Path:
        """Write a deployment file with one site that has these records.

        Args:
            records: Its records.
            zone: What the zones have else.
            more: Further keys of the file; they win.
        """
        content = {
            "apps": [{"name": "frappe", "source": "https://git.example.test/frappe"}],
            "benches": {"bench": {"path": "/srv/bench", "state_dir": str(self.folder / "state")}},
            "dns": {name: self.zone(**(zone or {})) for name in ZONES},
            "sites": [{"name": "shop.local", "dns": list(records)}],
            **more,
        }
        path = self.folder / "deployment.json"
        path.write_text(json.dumps(content, indent=1))
        return path

    def put(self, name: str, ttl: int, kind: str, *values: str) -> None:
        """Have a record as somebody else made it: at the primary, and at the secondary where that is told."""
        zone = next(zone for zone in ZONES if name.endswith(zone))
        key = dns.tsig.Key(KEY, SECRET, algorithm="hmac-sha256")
        update = dns.update.UpdateMessage(zone, keyring=key)
        update.delete(f"{name}.")
        for value in values:
            update.add(f"{name}.", ttl, kind, value)
        answer = dns.query.tcp(update, ADDRESS, timeout=5, port=self.primary.port)
        assert answer.rcode() == dns.rcode.NOERROR
        if zone != SILENT:
            served = [f"{ttl} {value}" for value in sorted(values)]
            wait_until(lambda: self.secondary.ask(name, kind) == served, 10, f"the secondary serves {name}")

    def served(self, name: str, kind: str = "A") -> list[str]:
        """What both servers serve, which has to be the same."""
        found = self.primary.ask(name, kind)
        assert self.secondary.ask(name, kind) == found
        return found

    def look(self, state: str, known: t.Mapping[str, t.Any] | None = None, **given: t.Any) -> run.Run:
        """Look what it takes to bring the records of the file to a state, without Ansible around it.

        Args:
            state: The state.
            known: What is recorded of the site's names.
            given: Extra variables.

        Returns:
            The run, not begun.
        """
        found = deployment.load(str(self.folder / "deployment.json"), options.read(given))
        wanted = tasks.wanted_names(found, {"shop.local": {"entries": known or {}}})
        zones = tasks.open_zones(found, (one.zone for one in wanted))
        decided = run.look(state, zones, wanted)
        self.warnings = [warning for one in decided for warning in one.warnings]
        changes = [one.change for one in decided if one.change is not None]
        return run.Run(zones, changes, [one.goal for one in decided], self.said.append)

    def take(self, state: str, known: t.Mapping[str, t.Any] | None = None, **given: t.Any) -> run.Run:
        """The same, and do it; returns the run, finished."""
        made = self.look(state, known, **given)
        made.apply()
        return made

    def play(self, *arguments: str, **variables: t.Any) -> Answer:
        """Run playbooks/dns.yml as a user does who stands in the clone."""
        command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "playbooks/dns.yml"]
        command += ["-i", str(self.folder / "deployment.json"), "-e", json.dumps(variables), *arguments]
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": "200",
        }
        done = subprocess.run(
            command, cwd=CLONE, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        output = done.stdout + done.stderr
        assert SECRET not in output
        changed = sum(int(part.split("=")[1]) for part in output.split() if part.startswith("changed="))
        return Answer(done.returncode, output, changed)

    def recorded(self) -> dict[str, t.Any]:
        """What is recorded on the site's server."""
        found: dict[str, t.Any] = json.loads((self.folder / "state" / "units" / "shop.local" / "dns.json").read_text())
        return found
