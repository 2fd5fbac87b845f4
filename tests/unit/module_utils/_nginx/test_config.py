# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing reaches nginx's file that could mean something else there, and the same input gives the same file."""

from __future__ import annotations

import dataclasses
import random
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import config, model
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Bridge, Front, Listen, Site, Traffic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Directive, parse

NASTY = ["a b", "a;b", "a{b", "a}b", 'a"b', "a'b", "a\nb", "a\n", "a\\b", "a$b", "a#b", "é", "a\0b", "a\tb"]


def site(name: str = "site1.local", **changes: t.Any) -> Site:
    given: dict[str, t.Any] = {
        "name": name,
        "traffic": f"/var/lib/lockstep/traffic/{name}",
        "data": f"/srv/bench/data/{name}",
        "fronts": (Front((name,)),),
    }
    return Site(**{**given, **changes})


def servers(traffic: Traffic) -> list[Directive]:
    return [item for item in parse(config.render(traffic).text) if item.name == "server"]


def location(server: Directive, *match: str) -> Directive:
    (found,) = [item for item in server.children("location") if item.args == match]
    return found


@pytest.mark.parametrize("word", NASTY)
@pytest.mark.parametrize(
    "make",
    [
        lambda word: site(word),
        lambda word: Front((word,)),
        lambda word: site(traffic=f"/{word}/x"),
        lambda word: site(data=f"/{word}"),
        lambda word: Bridge(f"/run/{word}", 80),
        lambda word: Bridge("/run/x.sock", 80, release=word),
        lambda word: Listen(word),
        lambda word: site(body_size=word),
        lambda word: Traffic((), access_log=f"/{word}"),
    ],
)
def test_a_word_that_means_something_to_nginx_is_refused(make: t.Callable[[str], t.Any], word: str) -> None:
    with pytest.raises(LockstepError, match="can't be used as"):
        make(word)


@pytest.mark.parametrize("path", ["", "relative", "/a/../b", "/a/..", "~/a"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(LockstepError, match="can't be used as a path"):
        site(data=path)


@pytest.mark.parametrize(
    "address", ["80", "*:80", "127.0.0.1:80", "127.0.0.1", "[::]:443", "[::1]:80", "[::1]", "web1.example.com:8080"]
)
def test_addresses_as_nginx_writes_them_are_taken(address: str) -> None:
    assert Listen(address, ("ssl", "http2")).address == address


def test_only_options_that_are_safe_to_repeat_are_taken() -> None:
    with pytest.raises(LockstepError, match="reuseport"):
        Listen("80", ("reuseport",))


def test_what_nginx_takes_once_for_an_address_is_said_once() -> None:
    listens = (Listen("80", ("default_server",)), Listen("[::]:80", ("ipv6only=on", "default_server")))
    other = (Listen("0.0.0.0:80", ("default_server",)), Listen("[::]:80", ("ipv6only=off",)), Listen("81", ("ssl",)))
    sites = (site(fronts=(Front(("site1.local",), listens),)), site("site2.local", fronts=(Front(("b",), other),)))
    _generation, first, second = servers(Traffic(sites))
    assert [item.args for item in first.children("listen")] == [
        ("80", "default_server"),
        ("[::]:80", "ipv6only=on", "default_server"),
    ]
    assert [item.args for item in second.children("listen")] == [("0.0.0.0:80",), ("[::]:80",), ("81", "ssl")]


def test_who_gets_into_a_location_stands_in_that_location() -> None:
    places = {
        "pages": ("/",),
        "active": ("~*", "^/files/.*\\.(htm|html|svg|xml)$"),
        "assets": ("/assets/",),
        "realtime": ("/socket.io",),
        "web": ("@lockstep_web",),
        "private": ("^~", "/protected/private/"),
    }
    assert set(places) == set(model.PLACES)
    inside = tuple((place, ("auth_basic", place)) for place in places)
    _generation, server = servers(Traffic((site(fronts=(Front(("site1.local",), inside=inside),)),)))
    found = {item.args: item for item in server.walk() if item.name == "location"}
    for place, match in places.items():
        assert [item.args for item in found[match].children("auth_basic")] == [(place,)]
    with pytest.raises(LockstepError, match="'elsewhere' is no location"):
        Front(("site1.local",), inside=(("elsewhere", ("deny", "all")),))


def test_the_same_sites_in_another_order_give_the_same_file() -> None:
    sites = [site(f"site{number}.local") for number in range(9)]
    bridges = [Bridge(f"/run/lockstep/nginx/{number}.sock", 9000 + number) for number in range(9)]
    first = config.render(Traffic(tuple(sites), tuple(bridges)))
    random.Random(7).shuffle(sites)
    random.Random(7).shuffle(bridges)
    assert config.render(Traffic(tuple(sites), tuple(bridges))) == first


def test_any_difference_is_another_generation_and_the_file_names_its_own_once() -> None:
    first = config.render(Traffic((site(),)))
    second = config.render(Traffic((site(body_size="51m"),)))
    assert first.generation != second.generation
    assert first.text.count(first.generation) == 1
    assert "@generation@" not in first.text


def test_what_belongs_to_http_stands_there_once() -> None:
    items = parse(config.render(Traffic((site(), site("site2.local")))).text)
    found = [item.args[-1] for item in items if item.name in ("map", "split_clients", "log_format")]
    assert len(found) == len(set(found))
    assert {item.name for item in items} == {"log_format", "map", "split_clients", "server"}


def test_a_site_is_proxied_through_its_slots_and_told_its_name() -> None:
    _generation, server = servers(Traffic((site(fronts=(Front(("www.site1.local", "site1.local")),)),)))
    web = location(server, "@lockstep_web")
    folder = "/var/lib/lockstep/traffic/site1.local/$lockstep_route"
    assert web.children("proxy_pass")[0].args == (f"http://unix:{folder}/web.sock",)
    assert ("X-Frappe-Site-Name", "site1.local") in [item.args for item in web.children("proxy_set_header")]
    realtime = location(server, "/socket.io")
    assert realtime.children("proxy_pass")[0].args == (f"http://unix:{folder}/realtime.sock",)
    assert server.children("server_name")[0].args == ("www.site1.local", "site1.local")


def test_private_files_are_internal_and_nothing_else_of_the_data_is_reachable() -> None:
    _generation, server = servers(Traffic((site(),)))
    private = location(server, "^~", "/protected/private/")
    assert private.children("internal")
    roots = [item.args[0] for item in server.walk() if item.name in ("root", "alias")]
    assert sorted(roots) == [
        "/srv/bench/data/site1.local/private/",
        "/srv/bench/data/site1.local/public",
        "/var/lib/lockstep/traffic/site1.local",
    ]
    # Every place an asset is looked for ends in the request's own path, which begins with /assets/.
    places = location(server, "/assets/").children("try_files")[0].args
    assert places[-1] == "=404"
    assert all(place.endswith("$uri") for place in places[:-1])


def test_a_redirecting_front_serves_nothing_of_the_site() -> None:
    redirect = Front(("site1.local",), redirect=True)
    secure = Front(("site1.local",), (Listen("443", ("ssl",)),), model.tls("/c.pem", "/k.pem"))
    _generation, first, second = servers(Traffic((site(fronts=(redirect, secure)),)))
    assert location(first, "/").children("return")[0].args == ("301", "https://$host$request_uri")
    assert not [item for item in first.walk() if item.name in ("proxy_pass", "root", "alias")]
    assert second.children("listen")[0].args == ("443", "ssl")
    assert second.children("ssl_certificate")[0].args == ("/c.pem",)


def test_words_that_are_carried_over_are_quoted_where_they_must_be() -> None:
    front = Front(("site1.local",), carried=(("auth_basic", 'Only; for "us" {$x}'),))
    _generation, server = servers(Traffic((site(fronts=(front,)),)))
    assert server.children("auth_basic")[0].args == ('Only; for "us" {$x}',)


def test_a_web_bridge_names_its_release_and_a_realtime_bridge_does_not() -> None:
    bridges = (Bridge("/run/b.web.sock", 8000, "a1b2"), Bridge("/run/a.realtime.sock", 9000))
    _generation, realtime, web = servers(Traffic((), bridges))
    assert location(web, "/").children("add_header")[0].args == ("X-Lockstep-Release", "a1b2", "always")
    assert not location(realtime, "/").children("add_header")
    assert location(realtime, "/").children("proxy_pass")[0].args == ("http://127.0.0.1:9000",)


def test_one_name_on_one_address_leads_to_one_site() -> None:
    with pytest.raises(LockstepError, match=r"www.x on 80 leads to both site1.local and site2.local"):
        Traffic((site(fronts=(Front(("WWW.x",)),)), site("site2.local", fronts=(Front(("www.x",)),))))
    with pytest.raises(LockstepError, match="site given twice"):
        Traffic((site(), dataclasses.replace(site(), fronts=(Front(("other",)),))))
