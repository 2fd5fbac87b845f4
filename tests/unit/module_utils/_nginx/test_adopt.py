# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site keeps its names, addresses and certificates when it is adopted, and what can't be kept is said."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import adopt, config, model
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Front, Listen, Site, Traffic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Configuration

BENCH = "/etc/nginx/conf.d/frappe-bench.conf"

# What bench makes of a bench with sites by DNS, a site with domains, and a site with a certificate of its own.
SITES = """
upstream bench-web { server 127.0.0.1:8000 fail_timeout=0; }
map $host $site_name_abcdefg {
    www.site1.local site1.local;
    shop.example.com site3.local;
    default $host;
}
server {
    listen 80;
    listen [::]:80;
    server_name
        site1.local
        www.site1.local
        site2.local
        ;
    root /home/frappe/bench/sites;
    proxy_buffer_size 128k;
    add_header X-Frame-Options "SAMEORIGIN";
    location /assets { try_files $uri =404; }
    location ~ ^/protected/(.*) { internal; try_files /$site_name_abcdefg/$1 =404; }
    location /socket.io {
        proxy_set_header X-Frappe-Site-Name $site_name_abcdefg;
        proxy_pass http://bench-socketio;
    }
    location / {
        location ~* ^/files/.*.(htm|html|svg|xml) { try_files /$site_name_abcdefg/public/$uri @webserver; }
        try_files /$site_name_abcdefg/public/$uri @webserver;
    }
    location @webserver {
        proxy_set_header X-Frappe-Site-Name $site_name_abcdefg;
        proxy_pass http://bench-web;
    }
    error_page 502 /502.html;
    location /502.html { root /templates; internal; }
    client_max_body_size 50m;
    gzip on;
    gzip_comp_level 5;
}
server {
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name shop.example.com;
    ssl_certificate /etc/letsencrypt/live/shop.example.com/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/shop.example.com/privkey.pem;
    ssl_session_cache shared:SSL:10m;
    access_log /var/log/nginx/shop_access.log main;
    client_max_body_size 250m;
    location @webserver {
        proxy_set_header X-Frappe-Site-Name $site_name_abcdefg;
        proxy_pass http://bench-web;
    }
}
server {
    listen 80;
    server_name shop.example.com;
    return 301 https://$host$request_uri;
}
"""


def served(text: str, extra: str = "") -> adopt.Served:
    dump = f"# configuration file /etc/nginx/nginx.conf:\nhttp {{ {extra} include conf.d/*.conf; }}\n"
    return adopt.Served(Configuration(f"{dump}# configuration file {BENCH}:\n{text}\n"))


def must(found: adopt.Found | None) -> adopt.Found:
    assert found is not None
    return found


def frappe(head: str, site: str = "$host") -> str:
    web = f"location @webserver {{ proxy_set_header X-Frappe-Site-Name {site}; proxy_pass http://127.0.0.1:8000; }}"
    return f"server {{ {head} {web} }}\n"


PLAIN = (Listen("80"), Listen("[::]:80"))


def test_a_site_takes_its_domains_along_and_none_of_its_neighbours() -> None:
    found = must(served(SITES).find("site1.local"))
    assert found.fronts == (Front(("site1.local", "www.site1.local"), PLAIN),)
    assert found.domains == ("www.site1.local",)
    assert found.body_size == "50m"
    assert found.files == (BENCH,)
    assert must(served(SITES).find("site2.local")).fronts == (Front(("site2.local",), PLAIN),)


def test_a_site_by_another_name_takes_its_certificate_and_its_redirect_along() -> None:
    found = must(served(SITES, extra="log_format main x;").find("site3.local"))
    secure, redirect = found.fronts
    assert secure.names == ("shop.example.com",)
    assert secure.listens == (Listen("443", ("ssl",)), Listen("[::]:443", ("ssl",)))
    assert ("ssl_certificate", "/etc/letsencrypt/live/shop.example.com/fullchain.pem") in secure.carried
    assert ("ssl_session_cache", "shared:SSL:10m") in secure.carried
    assert redirect == Front(("shop.example.com",), (Listen("80"),), redirect=True)
    assert found.body_size == "250m"
    assert found.access_logs == (("/var/log/nginx/shop_access.log", "main"),)


def test_what_bench_writes_itself_is_not_reported_as_lost() -> None:
    assert must(served(SITES).find("site1.local")).lost == ()
    assert must(served(SITES, extra="log_format main x;").find("site3.local")).lost == ()


def test_a_log_whose_format_our_file_can_not_know_yet_is_reported() -> None:
    found = must(served("log_format main x;" + SITES).find("site3.local"))
    assert found.access_logs == ()
    assert found.lost == (f"{BENCH}:46: access_log is not carried over: our file is read before its format",)


def test_the_log_of_all_servers_goes_on_where_a_site_has_none_of_its_own() -> None:
    logs = "access_log /all.log combined buffer=4k; access_log /more.log; access_log off;"
    found = must(served(frappe("listen 80; server_name site1.local;"), extra=logs).find("site1.local"))
    assert found.access_logs == (("/all.log", "combined", "buffer=4k"), ("/more.log",))


def test_what_somebody_added_is_reported_with_its_place() -> None:
    text = frappe(
        """listen 80; server_name site1.local;
        location /.well-known/acme-challenge { root /var/www; }
        location = /robots.txt { return 200 ""; }
        add_header X-Own 1;
        expires 1h;
        if ($bad) { return 204; }"""
    )
    assert must(served(text).find("site1.local")).lost == (
        f"{BENCH}:2: location /.well-known/acme-challenge is not carried over",
        f"{BENCH}:3: location = /robots.txt is not carried over",
        f"{BENCH}:4: add_header X-Own 1 is not carried over",
        f"{BENCH}:5: expires 1h is not carried over",
        f"{BENCH}:6: if ($bad) is not carried over",
    )


def test_who_gets_in_stays_as_it_was() -> None:
    text = frappe("listen 80; server_name site1.local; satisfy any; allow 10.0.0.0/8; deny all; auth_basic Staff;")
    (front,) = must(served(text).find("site1.local")).fronts
    assert front.carried == (("satisfy", "any"), ("allow", "10.0.0.0/8"), ("deny", "all"), ("auth_basic", "Staff"))


def test_the_redirect_certbot_writes_is_one() -> None:
    text = frappe("listen 443 ssl; server_name site1.local; ssl_certificate /c; ssl_certificate_key /k;") + (
        "server { if ($host = site1.local) { return 301 https://$host$request_uri; }"
        " listen 80; server_name site1.local; return 404; }"
    )
    found = must(served(text).find("site1.local"))
    assert [(front.redirect, front.listens[0].address) for front in found.fronts] == [(False, "443"), (True, "80")]
    assert found.lost == ()


def test_a_site_under_a_wildcard_gets_its_own_name_and_the_wildcards_certificate() -> None:
    text = frappe("listen 443 ssl http2; server_name *.example.com; ssl_certificate /c; ssl_certificate_key /k;")
    (front,) = must(served(text).find("erp.example.com")).fronts
    assert front.names == ("erp.example.com",)
    assert front.listens == (Listen("443", ("ssl", "http2")),)


def test_a_site_that_answers_for_any_host_is_adopted_under_its_own_names() -> None:
    text = frappe("listen 80 default_server; server_name _;", site="site1.local")
    (front,) = must(served(text).find("site1.local", ["erp.example.com"])).fronts
    assert front.names == ("site1.local", "erp.example.com")
    assert front.listens == (Listen("80"),)


def test_another_program_under_the_sites_name_is_left_alone() -> None:
    text = frappe("listen 80; server_name site1.local;") + (
        "server { listen 3000; server_name site1.local; location / { proxy_pass http://127.0.0.1:3001; } }"
    )
    (front,) = must(served(text).find("site1.local")).fronts
    assert front.listens == (Listen("80"),)


def test_a_server_that_leaves_the_site_to_the_host_header_is_found_by_its_name() -> None:
    text = "server { listen 80; server_name site1.local; location / { proxy_pass http://127.0.0.1:8000; } }"
    assert must(served(text).find("site1.local")).fronts == (Front(("site1.local",), (Listen("80"),)),)


def test_a_name_that_an_earlier_server_has_is_not_taken_from_it() -> None:
    text = frappe("listen 80; server_name site1.local;", site="other.local") + frappe(
        "listen 80; listen 8080; server_name site1.local;"
    )
    (front,) = must(served(text).find("site1.local")).fronts
    assert front.listens == (Listen("8080"),)


def test_a_site_that_claims_somebody_elses_name_does_not_get_it() -> None:
    other = (
        "server { listen 443 ssl; server_name bank.example.com; location / { proxy_pass http://127.0.0.1:9000; } }\n"
    )
    sites = served(frappe("listen 80; server_name site1.local;") + other)
    found = must(sites.find("site1.local", claimed=["bank.example.com", "new.example.com"]))
    assert found.fronts == (Front(("site1.local",), (Listen("80"),)),)
    place = f"{BENCH}:2"
    assert sites.elsewhere(found, ["site1.local", "Bank.example.com", "new.example.com"]) == {"Bank.example.com": place}


def test_a_site_without_a_server_does_not_get_one_by_claiming_its_name() -> None:
    other = (
        "server { listen 443 ssl; server_name bank.example.com; location / { proxy_pass http://127.0.0.1:9000; } }\n"
    )
    sites = served(other)
    assert sites.find("site1.local", claimed=["bank.example.com"]) is None
    assert sites.elsewhere(None, ["bank.example.com"]) == {"bank.example.com": f"{BENCH}:1"}
    assert must(sites.find("site1.local", ["bank.example.com"])).fronts[0].names == ("bank.example.com",)


def test_a_name_below_somebodys_wildcard_is_free() -> None:
    sites = served("server { listen 80; server_name *.example.com; return 404; }\n")
    assert sites.elsewhere(None, ["new.example.com"]) == {}


def test_a_site_nobody_serves_is_not_found() -> None:
    assert served(SITES).find("site9.local") is None


def test_a_site_with_a_pattern_for_its_name_is_found_by_the_name_given() -> None:
    text = frappe(r"listen 80; server_name ~^(?<x>\w+)\.example\.com$;")
    assert must(served(text).find("erp.example.com")).fronts[0].names == ("erp.example.com",)


def test_a_size_for_all_servers_counts_where_a_server_says_nothing() -> None:
    found = must(
        served(frappe("listen 80; server_name site1.local;"), extra="client_max_body_size 9m;").find("site1.local")
    )
    assert found.body_size == "9m"


def test_an_address_that_can_not_be_carried_over_is_named_with_its_place() -> None:
    with pytest.raises(LockstepError, match=f"{BENCH}:1: 'lo_cal:80' can't be used"):
        served(frappe("listen lo_cal:80; server_name site1.local;")).find("site1.local")


def test_a_site_that_is_in_our_file_already_is_found_there_and_loses_nothing() -> None:
    site = Site("site1.local", "/t", "/d", (Front(("site1.local", "www.site1.local"), PLAIN),))
    inside = tuple((place, ("auth_basic", place)) for place in model.PLACES)
    site = dataclasses.replace(site, timeout=600, fronts=(dataclasses.replace(site.fronts[0], inside=inside),))
    main = f"# configuration file /n/nginx.conf:\nhttp {{ include {config.FILE}; }}\n"
    ours = f"# configuration file /n/{config.FILE}:\n{config.render(Traffic((site,))).text}"
    found = must(adopt.find(Configuration(main + ours), "site1.local", ["www.site1.local"]))
    assert (found.fronts, found.access_logs) == (site.fronts, ())
    assert (found.body_size, found.timeout) == ("50m", 600)
    assert [one for one in found.lost if "access_log" not in one] == []


def test_unknown_hosts_are_reported_where_no_server_is_marked_for_them() -> None:
    fronts = must(served(SITES).find("site1.local")).fronts
    on_both = served(SITES).unknown_hosts(fronts)
    assert len(on_both) == 2
    assert f"answered by {BENCH}:8 on *:80" in on_both[0]
    marked = served(SITES + "server { listen 80 default_server; listen [::]:80 default_server; return 404; }")
    assert marked.unknown_hosts(fronts) == []
