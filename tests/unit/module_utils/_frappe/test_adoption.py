# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a deployment file and a bench say of a site reaches nginx, through the record too."""

from __future__ import annotations

import json
import pathlib

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import adoption, fronts
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Front, Listen, Site


def test_an_address_of_the_deployment_file_keeps_all_its_options() -> None:
    text = "[::]:443 ssl http2 default_server ipv6only=off"
    assert adoption._listen(text) == Listen("[::]:443", ("ssl", "http2", "default_server", "ipv6only=off"))
    with pytest.raises(LockstepError, match="reuseport"):
        adoption._listen("80 reuseport")


@pytest.mark.parametrize(("said", "seconds"), [(None, 120), (600, 600), ("600", 600), ("", 120), (0, 1)])
def test_a_site_that_nginx_does_not_serve_yet_gets_the_time_its_bench_gives(
    tmp_path: pathlib.Path, said: object, seconds: int
) -> None:
    (tmp_path / "sites").mkdir()
    config = {} if said is None else {"http_timeout": said}
    (tmp_path / "sites" / "common_site_config.json").write_text(json.dumps(config))
    assert adoption.http_timeout(Bench(str(tmp_path), "root", "bench")) == seconds


def test_who_gets_in_and_how_long_it_may_take_survive_the_record() -> None:
    front = Front(("site1.local",), inside=(("pages", ("auth_basic", "Only us")), ("web", ("deny", "all"))))
    site = Site("site1.local", "/t", "/d", (front,), timeout=600)
    assert fronts.site_of("site1.local", json.loads(json.dumps(fronts.served(site)))) == site


def test_a_record_of_a_site_from_before_locations_were_looked_at_is_read() -> None:
    site = Site("site1.local", "/t", "/d", (Front(("site1.local",)),))
    told = fronts.served(site)
    del told["fronts"][0]["inside"]
    assert fronts.site_of("site1.local", told) == site


def test_a_domain_of_the_deployment_file_is_not_taken_from_somebody_elses_server() -> None:
    elsewhere = {"bank.example.com": "/etc/nginx/conf.d/bank.conf:3", "old.example.com": "/etc/nginx/conf.d/old.conf:1"}
    with pytest.raises(LockstepError, match=r"site1\.local: bank\.example\.com by /etc/nginx/conf\.d/bank\.conf:3\."):
        adoption._refuse_foreign("site1.local", ["www.example.com", "bank.example.com"], elsewhere)
    adoption._refuse_foreign("site1.local", ["www.example.com"], elsewhere)


def test_a_domain_that_only_the_site_claims_stays_where_it_is_and_that_is_told() -> None:
    now = adoption._ServedNow(None, {}, {"site1.local": {"bank.example.com": "/etc/nginx/conf.d/bank.conf:3"}})
    [told] = now.changes()
    assert told.startswith("bank.example.com stays with /etc/nginx/conf.d/bank.conf:3, which answers for it")


def test_a_domain_that_is_given_later_goes_to_the_front_that_serves() -> None:
    redirect = Front(("site1.local",), redirect=True)
    site = Site("site1.local", "/t", "/d", (redirect, Front(("site1.local", "www.example.com"))))
    record = fronts.served(site)
    assert adoption.new_names(record, ["site1.local", "WWW.example.com", "shop.example.com"]) == ["shop.example.com"]
    found = fronts.site_of("site1.local", adoption.with_names(record, ["shop.example.com"]))
    assert [front.names for front in found.fronts] == [
        ("site1.local",),
        ("site1.local", "www.example.com", "shop.example.com"),
    ]
    assert fronts.site_of("site1.local", record) == site, "what is written down changes only when it is written"
