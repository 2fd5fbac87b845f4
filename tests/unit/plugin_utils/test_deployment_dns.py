# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zones and records of deployment files: what is accepted, and what each error says, with its line."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import deployment, options
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_dns import is_base64, split_server
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import DeploymentError

SECRET = "c2VjcmV0"
ZONES = f"""
dns:
  Example.COM.:
    server: 192.0.2.53
    key_name: lockstep
    key_secret: {SECRET}
  eu.example.com:
    server: ns.example.net
    ttl: 30
"""


class Load(t.Protocol):
    """Loads a deployment file with these sites and zones."""

    def __call__(self, sites: str, zones: str = ZONES) -> Deployment: ...


@pytest.fixture
def load(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.chdir(tmp_path)

    def load(sites: str, zones: str = ZONES) -> Deployment:
        apps = "apps: [{name: frappe, source: https://github.com/frappe/frappe}]"
        (tmp_path / "deployment.yml").write_text(f"{apps}{zones}\nsites:\n{sites}", encoding="utf-8")
        return deployment.load("deployment.yml", options.read({}))

    return load


def errors(load: Load, *given: str) -> list[str]:
    with pytest.raises(DeploymentError) as raised:
        load(*given)
    assert SECRET not in str(raised.value)
    return raised.value.lines


def site(dns: str, name: str = "shop.example.com", more: str = "") -> str:
    return f"  - name: {name}\n    dns: {dns}\n{more}"


def test_records_are_those_of_the_sites_domains_in_a_zone(load: Load) -> None:
    domains = "    domains: [Shop.Example.com, shop.example.org, '*.eu.example.com']\n"
    found = load(site("{values: [192.0.2.7, '2001:DB8:0::7', 192.0.2.10]}", "shop.local", domains))
    assert found.sites[0]["dns"] == [
        {
            "zone": "example.com",
            "name": "shop.example.com",
            "type": "A",
            "values": ["192.0.2.10", "192.0.2.7"],
            "ttl": 3600,
        },
        {"zone": "example.com", "name": "shop.example.com", "type": "AAAA", "values": ["2001:db8::7"], "ttl": 3600},
        {
            "zone": "eu.example.com",
            "name": "*.eu.example.com",
            "type": "A",
            "values": ["192.0.2.10", "192.0.2.7"],
            "ttl": 30,
        },
        {"zone": "eu.example.com", "name": "*.eu.example.com", "type": "AAAA", "values": ["2001:db8::7"], "ttl": 30},
    ]


def test_a_zone_has_defaults(load: Load) -> None:
    zones = load(site("{values: 192.0.2.7}")).zones
    assert zones["example.com"] == {
        "name": "example.com",
        "server": "192.0.2.53",
        "port": 53,
        "key_name": "lockstep",
        "key_secret": SECRET,
        "key_algorithm": "hmac-sha256",
        "ttl": 3600,
        "ttl_before_change": 60,
        "max_wait": 3600,
        "name_servers": [],
        "name_server_port": 53,
        "timeout": 120,
    }
    assert zones["eu.example.com"]["ttl_before_change"] == 30


def test_no_variable_has_a_secret_or_a_zone(load: Load) -> None:
    found = load(site("{values: 192.0.2.7}"))
    assert SECRET not in str(found.as_variable())
    assert SECRET not in repr(found)
    assert found.as_variable()["sites"][0]["dns"]


def test_sites_without_records_need_no_zones(load: Load) -> None:
    assert load("  - shop.example.com", "").sites[0]["dns"] == []


@pytest.mark.parametrize(
    ("dns", "message"),
    [
        ("{values: 192.0.2.300}", "dns.values: found '192.0.2.300'; expected an IPv4 address"),
        ("{values: [192.0.2.1, 'fe80::1%eth0']}", "dns.values[1]: found 'fe80::1%eth0'; expected an address that"),
        ("{values: 224.0.0.1}", "found '224.0.0.1'; expected an address that a server can have"),
        ("{values: '::'}", "found '::'; expected an address that a server can have"),
        ("{type: A, values: '2001:db8::1'}", "found '2001:db8::1'; expected an IPv4 address"),
        ("{type: AAAA, values: 192.0.2.1}", "found '192.0.2.1'; expected an IPv6 address"),
        ("{type: CNAME, values: 192.0.2.1}", "found '192.0.2.1'; expected the full name of another host"),
        ("{values: a..example.com}", "found 'a..example.com'; expected a name without empty parts"),
        ("{values: [192.0.2.1, 192.0.2.1]}", 'dns.values[1]: found "192.0.2.1" twice'),
        ("{values: [a.example.net, b.example.net]}", "expected a CNAME to have a single one"),
        ("{values: shop.example.com}", "found a CNAME of shop.example.com to itself"),
        ("{names: example.com, values: a.example.net}", "found a CNAME of example.com, which is the zone itself"),
        ("{names: a.example.org, values: 192.0.2.1}", 'dns.names: found "a.example.org", which is in no zone of dns'),
        ("{names: [a.*.example.com], values: 192.0.2.1}", 'dns.names[0]: found "a.*.example.com"'),
        (f"{{names: {'a' * 64}.example.com, values: 192.0.2.1}}", "expected at most 63 characters between two dots"),
        ("{values: 192.0.2.1, ttl: 0}", "dns.ttl: found 0; expected seconds, from 1 to 604800 (a week)"),
        ("{values: 192.0.2.1, ttl: 900000}", "dns.ttl: found 900000; expected seconds"),
        ("{values: 192.0.2.1, type: TXT}", 'dns.type: found "TXT"; expected one of A, AAAA, CNAME'),
        ("{type: A}", "dns: has no values; expected one"),
        (
            "[{values: 192.0.2.1}, {values: 192.0.2.2}]",
            "dns[1]: found A of shop.example.com, of which this site gives A",
        ),
        (
            "[{values: 192.0.2.1}, {values: a.example.net}]",
            "dns[1]: found CNAME of shop.example.com, of which this site gives A already; expected a CNAME to have no",
        ),
    ],
)
def test_what_is_wrong_about_a_record_is_told_with_its_line(load: Load, dns: str, message: str) -> None:
    found = errors(load, site(dns))
    assert len(found) == 1
    assert found[0].startswith("deployment.yml:13: sites[0].dns")
    assert message in found[0]


def test_two_sites_have_no_name_in_common(load: Load) -> None:
    both = site("{names: www.example.com, values: 192.0.2.1}") + site("{names: WWW.example.com, values: a.b}", "other")
    assert "\n".join(errors(load, both)) == (
        'deployment.yml:15: sites[1].dns.names: found CNAME of www.example.com, of which the site "shop.example.com" '
        "gives A already; expected a CNAME to have no other record beside it"
    )


def test_a_site_outside_of_all_zones_has_to_give_names(load: Load) -> None:
    assert "\n".join(errors(load, site("{values: 192.0.2.1}", "shop.local"))) == (
        "deployment.yml:13: sites[0].dns: has no names, and no domain of the site (shop.local) is in a zone of dns; "
        "expected names, each in example.com or eu.example.com"
    )


def test_records_need_a_zone(load: Load) -> None:
    found = errors(load, site("{values: 192.0.2.1}"), "")
    assert "found a record, and the file has no zones; expected dns with a zone at its top" in found[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{}", "dns['example.com']: has no server; expected one"),
        ("{server: 'a b'}", "dns['example.com'].server: found \"a b\"; expected an address or a host name"),
        ("{server: a, key_name: k}", "has a key_name and no key_secret"),
        ("{server: a, key_secret: c2VjcmV0}", "has a key_secret and no key_name"),
        ("{server: a, key_name: k, key_secret: 'not base64'}", "key_secret: is not Base64"),
        ("{server: a, key_name: k, key_secret: 12345}", "key_secret: found a value that is not shown here"),
        ("{server: a, key_algorithm: md5}", "expected one of hmac-sha256"),
        ("{server: a, ttl: 60, ttl_before_change: 61}", "ttl_before_change: found 61; expected at most the ttl, 60"),
        (
            "{server: a, name_servers: ['b:70000']}",
            "name_servers[0]: found the port 70000; expected one from 1 to 65535",
        ),
        ("{server: a, name_servers: ['b c']}", "name_servers[0]: found"),
        ("{server: a, secret: c2VjcmV0}", "unknown key"),
    ],
)
def test_what_is_wrong_about_a_zone_is_told_once(load: Load, settings: str, message: str) -> None:
    found = errors(load, site("{values: 192.0.2.1}"), f"\ndns:\n  example.com: {settings}\n")
    assert len(found) == 1
    assert found[0].startswith("deployment.yml:3: dns['example.com']")
    assert message in found[0]


@pytest.mark.parametrize(
    ("zones", "message"),
    [
        (
            "  example.com: {server: a}\n  Example.com.: {server: a}\n",
            "found the zone example.com twice; expected once",
        ),
        ("  '*.example.com': {server: a}\n", "expected the name of a zone, without '*'"),
    ],
)
def test_a_zone_has_one_name(load: Load, zones: str, message: str) -> None:
    found = errors(load, site("{names: a.example.com, values: 192.0.2.1}"), f"\ndns:\n{zones}")
    assert message in found[0]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("ns1.example.net", "ns1.example.net", 53),
        ("192.0.2.53:5353", "192.0.2.53", 5353),
        ("2001:db8::53", "2001:db8::53", 53),
        ("[2001:db8::53]:5353", "2001:db8::53", 5353),
        ("[2001:db8::53]", "2001:db8::53", 53),
    ],
)
def test_a_name_server_may_have_a_port(text: str, host: str, port: int) -> None:
    assert split_server(text, 53) == (host, port)


@pytest.mark.parametrize(("text", "expected"), [(SECRET, True), (" c2Vj\ncmV0 ", True), ("c2Vjc", False), ("", False)])
def test_a_secret_is_base64(text: str, expected: bool) -> None:
    assert is_base64(text) is expected
