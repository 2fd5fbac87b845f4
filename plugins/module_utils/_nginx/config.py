# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our file for nginx, as text.

Traffic moves by links, not by this file: it names ``<traffic>/slots/07/web.sock``, whose slot is a link to ``live``,
and whoever replaces a link moves the next request. So it changes only when a site, a domain, a certificate or a bridge
comes or goes.

What a site gets is what bench's own generated configuration gives it (locations, headers, buffers, gzip, private
files through X-Accel-Redirect), with three differences: an asset that the live release doesn't have is looked for
in the previous one, unknown hosts get 404 here instead of from Frappe, and the access log names the release.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import gate, projects, seal, slots
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.claims import address
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import (
    ADDRESS_OPTIONS,
    Bridge,
    Front,
    Site,
    Traffic,
    Words,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import quote

FILE = "00-lockstep.conf"
GENERATION = "/lockstep-generation"
RELEASE_HEADER = "X-Lockstep-Release"

_UNSET = "@generation@"
# Path without the query: reset keys and tokens travel in it, and a log is no place for them.
_LOG = """\
log_format lockstep_json escape=json
    '{"time":$msec,"site":"$lockstep_site","host":"$host","client":"$remote_addr","method":"$request_method",'
    '"path":"$uri","status":$status,"bytes":$body_bytes_sent,"seconds":$request_time,'
    '"upstream_seconds":"$upstream_response_time","release":"$upstream_http_x_lockstep_release",'
    '"route":"$lockstep_route","id":"$request_id","probe":"$lockstep_probe"}';
"""
_MAPS = """\
map $server_name $lockstep_generation {
    default "@generation@";
}

# The generation is for this server only: a loopback address, a unix socket, or an address of its own.
map "$remote_addr=$server_addr" $lockstep_local {
    default 0;
    "~^127\\\\." 1;
    "~^::1=" 1;
    "~^unix:" 1;
    "~^(.+)=\\\\1$" 1;
}

# What we ask ourselves is no visit. Only this server is believed that, and nobody whom a proxy on it lets in: a visitor
# could hide his errors so.
map "$lockstep_local:$http_x_lockstep_probe:$http_x_forwarded_for" $lockstep_probe {
    default "";
    "~^1:[^:]+:$" 1;
}

map $http_upgrade $lockstep_connection {
    default upgrade;
    "" close;
}
"""
_PAGE = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    "<title>{title}</title></head><body style='font:18px sans-serif;margin:20vh auto;max-width:32em;padding:0 1em'>"
    "<h1>{title}</h1><p>{text}</p></body></html>"
)
_CLOSED = _PAGE.format(title="Down for maintenance", text="This site is being updated. It will be back in a moment.")
_FAILED = _PAGE.format(title="Not available", text="This site does not answer right now. Please try again shortly.")
_GZIP_TYPES = (
    "application/atom+xml application/javascript application/json application/rss+xml application/vnd.ms-fontobject "
    "application/x-font-ttf application/font-woff application/x-web-app-manifest+json application/xhtml+xml "
    "application/xml font/opentype image/svg+xml image/x-icon text/css text/plain text/x-component"
)
_HEADERS = (
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "1; mode=block"),
    ("Referrer-Policy", "same-origin, strict-origin-when-cross-origin"),
)
_CACHE = 'add_header Cache-Control "max-age=31536000";'
_X_ACCEL = "X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset"

Lines = list[str]


class Rendered(t.NamedTuple):
    """Our file, and the generation nginx names once it serves it."""

    text: str
    generation: str


def render(traffic: Traffic) -> Rendered:
    """The file for a server's sites and bridges; the same input gives the same text, in any order.

    Returns:
        The text and its generation, which is a hash of everything in it.
    """
    parts = [
        # Their variables are only known where a server sets them.
        *([_LOG, *slots.directives()] if traffic.sites or traffic.projects else []),
        _MAPS,
        _text(_generation_server(traffic)),
    ]
    parts += [_text(_bridge(bridge)) for bridge in sorted(traffic.bridges, key=lambda bridge: bridge.socket)]
    said: set[tuple[str, str]] = set()
    for site in sorted(traffic.sites, key=lambda site: site.name):
        parts += [_text(_front(site, _say_once(front, said), traffic)) for front in site.fronts]
    for project in sorted(traffic.projects, key=lambda project: (project.name, project.traffic)):
        parts += [_text(_front(project, _say_once(front, said), traffic)) for front in project.fronts]
    text = "\n".join(parts)
    generation = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Rendered(seal.seal(text.replace(_UNSET, generation)), generation)


def _text(lines: Lines) -> str:
    """Lines with the indentation their braces ask for."""
    depth, found = 0, []
    for line in lines:
        depth -= line == "}"
        found.append("    " * depth + line if line else "")
        depth += line.endswith("{")
    return "\n".join(found) + "\n"


def _server(lines: Lines) -> Lines:
    return ["server {", *lines, "}"]


def _location(match: str, lines: Lines) -> Lines:
    return ["", f"location {match} {{", *lines, "}"]


def _generation_server(traffic: Traffic) -> Lines:
    return _server([f"listen unix:{traffic.generation_socket};", "access_log off;", *_generation()])


def _generation() -> Lines:
    lines = [
        "access_log off;",
        "default_type text/plain;",
        *_when("$lockstep_local = 0", "return 404;"),
        'return 200 "$lockstep_generation\\n";',
    ]
    return _location(f"= {GENERATION}", lines)


def _when(condition: str, then: str) -> Lines:
    return [f"if ({condition}) {{", then, "}"]


def _bridge(bridge: Bridge) -> Lines:
    """A socket before a port. It passes everything through as it is: the server in front of it decides."""
    lines = [
        "proxy_http_version 1.1;",
        "proxy_set_header Host $http_host;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $lockstep_connection;",
        "proxy_request_buffering off;",
        "proxy_buffering off;",
        "proxy_buffer_size 128k;",
        # Unused here, but nginx compares their defaults with the size above and refuses the file.
        "proxy_buffers 4 256k;",
        "proxy_busy_buffers_size 256k;",
        "proxy_read_timeout 1h;",
        "proxy_send_timeout 1h;",
        "proxy_redirect off;",
        f"proxy_ignore_headers {_X_ACCEL};",
        *(f"proxy_pass_header {header};" for header in _X_ACCEL.split()),
        *_release(bridge.release),
        f"proxy_pass http://127.0.0.1:{bridge.port};",
    ]
    head = [f"listen unix:{bridge.socket};", "access_log off;", "gzip off;", "client_max_body_size 0;"]
    return _server([*head, *_location("/", lines)])


def _release(release: str | None) -> Lines:
    if release is None:
        return []
    return [f"proxy_hide_header {RELEASE_HEADER};", f"add_header {RELEASE_HEADER} {quote(release)} always;"]


def _say_once(front: Front, said: set[tuple[str, str]]) -> Front:
    """A front without what was said of its addresses already: nginx takes that from one server, and refuses more."""
    listens = []
    for listen in front.listens:
        where = address((listen.address,))
        kinds = {option: (where, option.partition("=")[0]) for option in listen.options if option in ADDRESS_OPTIONS}
        options = tuple(option for option in listen.options if kinds.get(option) not in said)
        said.update(kinds.values())
        listens.append(dataclasses.replace(listen, options=options))
    return dataclasses.replace(front, listens=tuple(listens))


def _front(site: Site | projects.Project, front: Front, traffic: Traffic) -> Lines:
    if front.redirect:
        body = _redirect()
    elif isinstance(site, projects.Project):
        body = _project(site, traffic)
    else:
        body = _site(site, front, traffic)
    return _server([*_head(front), "", *_gate(site, front), *_generation(), *body])


def _head(front: Front) -> Lines:
    listens = [" ".join(["listen", listen.address, *listen.options]) + ";" for listen in front.listens]
    carried = [_directive(words) for words in front.carried]
    return [*listens, f"server_name {' '.join(one.lower() for one in front.names)};", *carried]


def _directive(words: Words) -> str:
    return " ".join(quote(word) for word in words) + ";"


def _inside(front: Front, place: str) -> Lines:
    return [_directive(words) for where, words in front.inside if where == place]


def _gate(site: Site | projects.Project, front: Front) -> Lines:
    """Who gets in at all. The generation is told also while the site is closed, but only by the site's own names."""
    # One that only sends its visitors to https says nothing of the site.
    closed = [] if front.redirect else gate.checks(site.traffic)
    hosts = "|".join(_host_pattern(one.lower()) for one in front.names)
    return [
        f"set $lockstep_site {quote(site.name)};",
        "set $lockstep_sticky '';",
        *_when(f"-f {site.traffic}/{slots.COOKIE}", "set $lockstep_sticky cookie;"),
        "set $lockstep_gate open;",
        *closed,
        *_when(f"$uri = {GENERATION}", "set $lockstep_gate open;"),
        *_when(f"$host !~ {quote(f'^({hosts})$')}", "set $lockstep_gate unknown;"),
        *_when("$lockstep_gate = unknown", "return 404;"),
        *([] if front.redirect else gate.refusals()),
    ]


def _host_pattern(name: str) -> str:
    # Being first in the first file makes a server the default for its address where none is named.
    if name.startswith("*."):
        return ".+" + re.escape(name[1:])
    return re.escape(name)


def _redirect() -> Lines:
    return _location("/", ["return 301 https://$host$request_uri;"])


def _site(site: Site, front: Front, traffic: Traffic) -> Lines:
    lines = [
        "",
        f"root {site.data}/public;",
        "open_file_cache off;",
        "merge_slashes on;",
        f"access_log {traffic.access_log} lockstep_json;",
        *(f"access_log {' '.join(quote(word) for word in words)};" for words in site.access_logs),
        *(f"add_header {header} {quote(value)};" for header, value in _HEADERS),
        "add_header Set-Cookie $lockstep_cookie;",
        *_limits(site),
        *_gzip(),
        "",
        *gate.pages(),
        "error_page 502 504 @lockstep_failed;",
    ]
    return [
        *lines,
        *_assets(site, _inside(front, "assets")),
        *_private(site, _inside(front, "private")),
        *_pages(_inside(front, "pages"), _inside(front, "active")),
        *_realtime(site, _inside(front, "realtime")),
        *_web(site, _inside(front, "web")),
        *_error_pages(),
    ]


def _project(project: projects.Project, traffic: Traffic) -> Lines:
    lines = [*projects.directives(project, traffic.access_log), *gate.pages(), "error_page 502 504 @lockstep_failed;"]
    places = [line for match, inside in projects.locations(project) for line in _location(match, inside)]
    return [*lines, *places, *_error_pages()]


def _limits(site: Site) -> Lines:
    return [
        "sendfile on;",
        "keepalive_timeout 15;",
        f"client_max_body_size {site.body_size};",
        "client_body_buffer_size 16k;",
        "proxy_buffer_size 128k;",
        "proxy_buffers 4 256k;",
        "proxy_busy_buffers_size 256k;",
    ]


def _gzip() -> Lines:
    return [
        "gzip on;",
        "gzip_http_version 1.1;",
        "gzip_comp_level 5;",
        "gzip_min_length 256;",
        "gzip_proxied any;",
        "gzip_vary on;",
        f"gzip_types {_GZIP_TYPES};",
    ]


def _assets(site: Site, inside: Lines) -> Lines:
    # A page names files with hashes that only the release has which built it: the one before a switch, or the other
    # one of two that share the visitors.
    places = " ".join(f"/{place}$uri" for place in ("$lockstep_route", "live", slots.CANDIDATE, "previous"))
    return _location("/assets/", [*inside, f"root {site.traffic};", f"try_files {places} =404;", _CACHE])


def _private(site: Site, inside: Lines) -> Lines:
    """Private files, only when the application says so by X-Accel-Redirect."""
    return _location("^~ /protected/private/", [*inside, "internal;", f"alias {site.data}/private/;"])


def _pages(inside: Lines, inside_active: Lines) -> Lines:
    """Public files from disk, and everything else from the application."""
    # What a browser would run in the site's name is only ever downloaded.
    active = [*inside_active, 'add_header Content-Disposition "attachment";', "try_files $uri @lockstep_web;"]
    public = [
        *inside,
        "rewrite ^(.+)/$ $1 permanent;",
        "rewrite ^(.+)/index\\.html$ $1 permanent;",
        "rewrite ^(.+)\\.html$ $1 permanent;",
        "try_files $uri @lockstep_web;",
        *_location('~* "^/files/.*\\.(htm|html|svg|xml)$"', active),
    ]
    return _location("/", public)


def _realtime(site: Site, inside: Lines) -> Lines:
    lines = [
        *inside,
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $lockstep_connection;",
        f"proxy_set_header X-Frappe-Site-Name {quote(site.name)};",
        "proxy_set_header Origin $scheme://$http_host;",
        "proxy_set_header Host $host;",
        f"proxy_read_timeout {site.timeout}s;",
        f"proxy_pass http://unix:{site.traffic}/$lockstep_route/realtime.sock;",
    ]
    return _location("/socket.io", lines)


def _web(site: Site, inside: Lines) -> Lines:
    lines = [
        *inside,
        "proxy_http_version 1.1;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header X-Forwarded-Host $host;",
        f"proxy_set_header X-Frappe-Site-Name {quote(site.name)};",
        "proxy_set_header Host $host;",
        "proxy_set_header X-Use-X-Accel-Redirect True;",
        f"proxy_read_timeout {site.timeout}s;",
        f"proxy_send_timeout {site.timeout}s;",
        "proxy_redirect off;",
        f"proxy_pass http://unix:{site.traffic}/$lockstep_route/web.sock;",
    ]
    return _location("@lockstep_web", lines)


def _error_pages() -> Lines:
    failed = ["default_type text/html;", f'return 502 "{_FAILED}";']
    closed = [line for match, lines in gate.answers(_CLOSED) for line in _location(match, lines)]
    return [*closed, *_location("@lockstep_failed", failed)]
