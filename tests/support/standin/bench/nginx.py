# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``config/nginx.conf``: two upstreams, a map from host to site, one server block for all sites of one port."""

from __future__ import annotations

import json
import os
import pathlib
import random
import string
import typing as t

import click

from tests.support.standin.bench.config import get_config
from tests.support.standin.bench.shared import bench_name

_SERVER = """server {{
{listen}
\tserver_name
\t\t{names}
\t\t;

\troot {sites};

\tproxy_buffer_size 128k;
\tproxy_buffers 4 256k;

\tadd_header X-Frame-Options "SAMEORIGIN";
\tadd_header X-Content-Type-Options nosniff;

\tlocation /assets {{
\t\ttry_files $uri =404;
\t\tadd_header Cache-Control "max-age=31536000";
\t}}

\tlocation ~ ^/protected/(.*) {{
\t\tinternal;
\t\ttry_files /{site}/$1 =404;
\t}}

\tlocation /socket.io {{
\t\tproxy_http_version 1.1;
\t\tproxy_set_header Upgrade $http_upgrade;
\t\tproxy_set_header Connection "upgrade";
\t\tproxy_set_header X-Frappe-Site-Name {site};
\t\tproxy_set_header Origin $scheme://$http_host;
\t\tproxy_set_header Host $host;
\t\tproxy_pass http://{bench}-socketio-server;
\t}}

\tlocation / {{
\t\ttry_files /{site}/public/$uri @webserver;
\t}}

\tlocation @webserver {{
\t\tproxy_http_version 1.1;
\t\tproxy_set_header X-Forwarded-For $remote_addr;
\t\tproxy_set_header X-Forwarded-Proto $scheme;
\t\tproxy_set_header X-Frappe-Site-Name {site};
\t\tproxy_set_header Host $host;
\t\tproxy_set_header X-Use-X-Accel-Redirect True;
\t\tproxy_read_timeout {timeout};
\t\tproxy_redirect off;
\t\tproxy_pass http://{bench}-frappe;
\t}}

\tsendfile on;
\tkeepalive_timeout 15;
\tclient_max_body_size 50m;
{log}}}
"""


class Site(t.NamedTuple):
    name: str
    hosts: tuple[str, ...]
    port: int


def write_nginx(bench: str, yes: bool, logging: str, log_format: str | None) -> None:
    """Write the file; with its default log format, ``main``, Debian's nginx doesn't take it."""
    path = pathlib.Path(bench, "config", "nginx.conf")
    if path.exists() and not yes:
        question = "nginx.conf already exists and this will overwrite it. Do you want to continue?"
        if not click.confirm(question):
            return
    config = get_config(bench)
    name = bench_name(bench)
    sites = _sites(bench, bool(config.get("dns_multitenant")))
    variable = f"$site_name_{''.join(random.choice(string.ascii_lowercase) for _ignored in range(7))}"
    text = (
        f"upstream {name}-frappe {{\n\tserver 127.0.0.1:{config.get('webserver_port')} fail_timeout=0;\n}}\n\n"
        f"upstream {name}-socketio-server {{\n\tserver 127.0.0.1:{config.get('socketio_port')} fail_timeout=0;\n}}\n\n"
        f"map $host {variable} {{\n"
        + "".join(f"\t{host} {site.name};\n" for site in sites for host in site.hosts if host != site.name)
        + "\tdefault $host;\n}\n\n"
    )
    for port in sorted({site.port for site in sites}):
        members = [site for site in sites if site.port == port]
        text += _SERVER.format(
            listen=f"\tlisten {port};\n\tlisten [::]:{port};",
            names="\n\t\t".join(host for site in members for host in site.hosts),
            sites=os.path.abspath(os.path.join(bench, "sites")),
            site=variable if config.get("dns_multitenant") else members[0].name,
            bench=name,
            timeout=config.get("http_timeout", 120),
            log=_log(logging, log_format),
        )
    path.write_text(text)


def _log(logging: str, log_format: str | None) -> str:
    if logging == "none":
        return ""
    form = "" if log_format in (None, "", "none") else f" {log_format}"
    return f"\taccess_log /var/log/nginx/access.log{form};\n\terror_log /var/log/nginx/error.log;\n"


def _sites(bench: str, by_name: bool) -> list[Site]:
    found = []
    folder = pathlib.Path(bench, "sites")
    for name in os.listdir(folder):
        path = folder / name / "site_config.json"
        if not path.exists():
            continue
        config = json.loads(path.read_text())
        domains = [one if isinstance(one, str) else one["domain"] for one in config.get("domains", [])]
        port = 80 if by_name else int(config.get("nginx_port", 80))
        found.append(Site(name, (name, *domains), port))
    return found
