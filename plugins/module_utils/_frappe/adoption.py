# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking over a bench that somebody made with ``bench init``: once, and without anybody noticing."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.lockstep.deploy.plugins.module_utils._core import folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.fronts import Fronts, served
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import release_id
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.placement import Placement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import Site
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import adopt, model, runtime

_CRON_FOLDERS = ("/etc/cron.d", "/var/spool/cron/crontabs")


class Adoption:
    """A bench and those of its sites that are to be deployed.

    Args:
        context: The bench.
        sites: Their names, with the domains the deployment file gives them beyond those nginx has.
        force: Whether our file of nginx is written although somebody changed it by hand.
    """

    def __init__(self, context: BenchContext, sites: t.Mapping[str, t.Sequence[str]], force: bool = False) -> None:
        self._context = context
        self._sites = sites
        self._force = force
        self._fronts = Fronts(context)

    def missing(self) -> list[str]:
        """The sites that were not adopted yet, in the order given."""
        known = self._context.record.sites() if self._context.record.exists() else {}
        return [site for site in self._sites if site not in known]

    def added(self) -> dict[str, list[str]]:
        """The domains that the deployment file gave to adopted sites since, by site."""
        known = self._context.record.sites() if self._context.record.exists() else {}
        found = {site: new_names(known[site], domains) for site, domains in self._sites.items() if site in known}
        return {site: names for site, names in found.items() if names}

    def drift(self) -> str:
        """How our file of nginx differs from what the records say, in a sentence; empty if it doesn't."""
        found = self._fronts.drift()
        return found.sentence() if found else ""

    def needed(self) -> bool:
        return not self._context.record.exists() or bool(self.missing() or self.added() or self.drift())

    def run(self) -> list[str]:
        """Adopt the bench and the sites that were not adopted yet; can be repeated.

        Returns:
            What an administrator should know: directives that nginx no longer applies, crons that see other sites now.

        Raises:
            LockstepError: It is no bench, a site is missing, or nginx doesn't take the new file. All is back then.
        """
        context = self._context
        context.adopted.require()
        self._require_sites()
        self._require_unchanged()
        missing, added = self.missing(), self.added()
        served_now = self._served_now(missing)
        self._require_free(added)
        context.prepare_state()
        self._adopt_bench()
        warnings = self._add_domains(added)
        if not missing:
            return [*warnings, *self._apply()]
        return [*warnings, *self._adopt_sites(missing, served_now), *self._crons()]

    def look(self) -> list[str]:
        """What nginx would no longer apply to the sites that were not adopted yet, without changing anything.

        Returns:
            One sentence each.

        Raises:
            LockstepError: Something can't be carried over, and a site would be more open without it.
        """
        self._require_free(self.added())
        known = self._context.adopted.sites()
        served_now = self._served_now([site for site in self.missing() if site in known])
        return served_now.changes()

    def _served_now(self, missing: t.Sequence[str]) -> _ServedNow:
        """How nginx serves sites before anything is changed; all that speaks against it is told at once."""
        if not missing:
            return _ServedNow(None, {}, {})
        server = adopt.Served(self._fronts.nginx.configuration())
        now = _ServedNow(server, {}, {})
        errors: dict[str, LockstepError] = {}
        for site in missing:
            given, claimed = self._sites[site], self._claimed(site)
            try:
                found = server.find(site, given, claimed)
                now.elsewhere[site] = server.elsewhere(found, [*given, *claimed])
                _refuse_foreign(site, given, now.elsewhere[site])
            except LockstepError as error:
                errors.setdefault(error.message, error)
            else:
                if found is not None:
                    now.sites[site] = found
        if errors:
            first = next(iter(errors.values()))
            raise LockstepError("; ".join(errors), left="nothing was changed", hint=first.hint)
        return now

    def _require_free(self, added: t.Mapping[str, t.Sequence[str]]) -> None:
        """Make sure that no other server says the names which sites are to get."""
        if added:
            server = adopt.Served(self._fronts.nginx.configuration())
            for site, names in added.items():
                _refuse_foreign(site, names, server.elsewhere(None, names))

    def _add_domains(self, added: t.Mapping[str, t.Sequence[str]]) -> list[str]:
        """Have adopted sites served by further names, as by those they have."""
        record = self._context.record
        before = {site: record.sites()[site] for site in added}
        warnings = []
        for site, names in added.items():
            serving = with_names(before[site], names)
            record.add_site(site, serving)
            if any("ssl" in options for front in serving["fronts"] for _address, options in front["listens"]):
                warnings.append(f"{', '.join(names)}: served with the certificate that {site} has")
        try:
            if added:
                warnings += self._apply()
        except LockstepError:
            for site, content in before.items():
                record.add_site(site, content)
            raise
        return warnings

    def _require_unchanged(self) -> None:
        """Refuse before anything moves what nginx would be refused in the end."""
        drift = None if self._force else self._fronts.drift()
        if drift and drift.by_hand:
            raise drift.refusal()

    def _apply(self) -> list[str]:
        """Bring nginx to what the records say; what was overwritten on the way, a sentence each."""
        copies = self._fronts.apply(self._force).overwritten
        return [f"nginx's configuration, changed by hand, was overwritten; a copy is kept in {path}" for path in copies]

    def _require_sites(self) -> None:
        known = set(self._context.adopted.sites())
        missing = sorted(set(self._sites) - known)
        if missing:
            raise LockstepError(
                f"no such site in {self._context.adopted.path}: {', '.join(missing)}",
                hint="create it with bench new-site",
            )

    def _adopt_bench(self) -> None:
        context = self._context
        if not context.record.exists():
            apps = context.adopted.apps()
            context.record.adopt(release_id(apps), context.adopted.path, ports_of(context.adopted), apps)
        # Those that are kept, and the one that is built.
        context.record.provide_slots(context.options["keep_releases"] + 1)
        adopted = context.record.require_adopted()
        context.prepare_runtime(adopted)
        if context.is_volatile:
            runtime.install_drop_in(root=context.options["runtime_dir"])
        context.record.set_bridges(self._fronts.bridges(context.record.slots(), adopted))

    def _adopt_sites(self, missing: list[str], served_now: _ServedNow) -> list[str]:
        context = self._context
        adopted = context.record.require_adopted()
        folders.ensure(os.path.join(context.layout.root, "data"), context.user)
        moved: list[Placement] = []
        warnings: list[str] = []
        try:
            for site in missing:
                placement = Placement(context.layout, site, context.user)
                if placement.adopt(context.adopted):
                    moved.append(placement)
                traffic = context.traffic(site)
                traffic.prepare()
                # The bridge doesn't listen before nginx was reloaded, so this is a plain link and no switch.
                traffic.point(context.runtime(adopted).folder)
                wanted = self._served_as(served_now, site, placement)
                warnings += served_now.unknown_hosts(wanted)
                context.record.add_site(site, served(wanted))
            warnings += self._apply()
        except LockstepError:
            self._undo(missing, moved)
            raise
        return list(dict.fromkeys([*served_now.changes(), *warnings]))

    def _claimed(self, site: str) -> list[str]:
        """The names that a site's own configuration gives it, which the bench's user writes."""
        placement = Placement(self._context.layout, site, self._context.user)
        unmoved = os.path.join(self._context.adopted.sites_folder, site)
        folder = placement.data if placement.is_adopted() else unmoved
        config = Site(site, folder, self._context.user).config()
        return [item["domain"] if isinstance(item, dict) else str(item) for item in config.get("domains") or []]

    def _served_as(self, served_now: _ServedNow, site: str, placement: Placement) -> model.Site:
        """How nginx shall serve the site: as it does now, and on further names as on its first plain one."""
        found = served_now.sites.get(site)
        listen = self._context.options["nginx"]["listen"]
        listens = tuple(_listen(text) for text in listen) if listen else model.PLAIN
        fronts = found.fronts if found else (model.Front((site,), listens),)
        known = {name for front in fronts for name in front.names} | served_now.elsewhere.get(site, {}).keys()
        new = tuple(dict.fromkeys(name for name in (*self._sites[site], *self._claimed(site)) if name not in known))
        if new:
            # Not to one that only sends its visitors to https.
            at = next((number for number, front in enumerate(fronts) if not front.redirect), 0)
            more = dataclasses.replace(fronts[at], names=(*fronts[at].names, *new))
            fronts = (*fronts[:at], more, *fronts[at + 1 :])
        return model.Site(
            name=site,
            traffic=self._context.traffic(site).folder,
            data=placement.data,
            fronts=fronts,
            body_size=(found.body_size if found else None) or "50m",
            timeout=(found.timeout if found else None) or http_timeout(self._context.adopted),
            access_logs=found.access_logs if found else (),
        )

    def _undo(self, missing: t.Sequence[str], moved: t.Sequence[Placement]) -> None:
        # nginx needs nothing: a configuration it doesn't take was put back by who tried it.
        for site in missing:
            self._context.record.drop_site(site)
        for placement in moved:
            placement.release(self._context.adopted)

    def _crons(self) -> list[str]:
        """Crons of the bench that say ``--site all``: they don't see a site that is passive in the bench they name."""
        path = re.compile(re.escape(self._context.adopted.path) + r"(/|\s|$)")
        found = []
        for folder in _CRON_FOLDERS:
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) and os.access(folder, os.R_OK) else []:
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as handle:
                    found += [
                        f"cron in {folder}/{name} acts on all sites of the adopted bench, and misses those that moved: "
                        f"{line.strip()}"
                        for line in handle
                        if path.search(line) and "--site all" in line and not line.lstrip().startswith("#")
                    ]
        return found


class _ServedNow(t.NamedTuple):
    """nginx before the adoption, and how it serves those of the sites that it serves.

    ``elsewhere`` has, by site, the names that the site claims and another server answers for, with its place.
    """

    server: adopt.Served | None
    sites: dict[str, adopt.Found]
    elsewhere: dict[str, dict[str, str]]

    def changes(self) -> list[str]:
        """What an administrator should know before our file is read first, a sentence each."""
        lost = [sentence for found in self.sites.values() for sentence in found.lost]
        foreign = [
            f"{name} stays with {place}, which answers for it, though the configuration of {site} claims it"
            for site, names in self.elsewhere.items()
            for name, place in names.items()
        ]
        return list(dict.fromkeys([*lost, *foreign]))

    def unknown_hosts(self, wanted: model.Site) -> list[str]:
        return self.server.unknown_hosts(wanted.fronts) if self.server else []


def new_names(served: t.Mapping[str, t.Any], domains: t.Iterable[str]) -> list[str]:
    """Those of some domains that a site, as its record holds it, is not served by."""
    known = {name for front in served["fronts"] for name in front["names"]}
    return list(dict.fromkeys(name for name in domains if name.lower() not in known and name not in known))


def with_names(served: t.Mapping[str, t.Any], names: t.Iterable[str]) -> dict[str, t.Any]:
    """A site, as its record holds it, served by further names: not by a front that only sends visitors to https."""
    fronts = [dict(front) for front in served["fronts"]]
    front = next((front for front in fronts if not front["redirect"]), fronts[0])
    front["names"] = [*front["names"], *names]
    return {**served, "fronts": fronts}


def _refuse_foreign(site: str, given: t.Iterable[str], elsewhere: t.Mapping[str, str]) -> None:
    """Refuse to take a name from somebody else's server, which would be ignored from then on without a word."""
    taken = [f"{name} by {elsewhere[name]}" for name in given if name in elsewhere]
    if taken:
        raise LockstepError(
            f"nginx answers elsewhere for domains that the deployment file gives to {site}: {', '.join(taken)}",
            hint="take them out of that server, or of the deployment file",
        )


def http_timeout(bench: Bench) -> int:
    """Seconds a request may take where nginx says nothing: what bench would write there."""
    said = str(bench.common_config().get("http_timeout"))
    return max(1, int(said)) if said.isdecimal() else model.Site.timeout


def ports_of(bench: Bench) -> dict[str, int]:
    """The ports a bench that was not built by us uses.

    Raises:
        LockstepError: Its configuration doesn't name them.
    """
    config = bench.common_config()
    try:
        return {
            "web": int(config["webserver_port"]),
            "socketio": int(config["socketio_port"]),
            "redis_cache": int(urlsplit(config["redis_cache"]).port or 6379),
            "redis_queue": int(urlsplit(config["redis_queue"]).port or 6379),
        }
    except (KeyError, ValueError) as error:
        path = os.path.join(bench.sites_folder, "common_site_config.json")
        raise LockstepError(f"{path} does not say {error}: the bench can't be adopted") from error


def _listen(text: str) -> model.Listen:
    """A line of the deployment file's ``listen``: an address with its options."""
    address, *options = str(text).split()
    return model.Listen(address, tuple(options))
