# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A web application that says who it is and what it was asked, for gunicorn."""

from __future__ import annotations

import json
import os
import time
import typing as t

_RELEASE = os.environ["RELEASE"]
_HEADERS = ("X-Frappe-Site-Name", "Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Use-X-Accel-Redirect")


def application(environ: dict[str, t.Any], start_response: t.Callable[..., t.Any]) -> list[bytes]:
    """Answer about itself; private files (and a secret it should not know) by X-Accel-Redirect, ``/slow`` late.

    How late, in seconds, may stand behind a question mark.
    """
    path = environ["PATH_INFO"]
    headers = [("X-Lockstep-Release", _RELEASE)]
    if path.startswith("/private/files/"):
        start_response("200 OK", [*headers, ("X-Accel-Redirect", f"/protected{path}"), ("Content-Length", "0")])
        return [b""]
    if path == "/leak":
        start_response(
            "200 OK", [*headers, ("X-Accel-Redirect", "/protected/site_config.json"), ("Content-Length", "0")]
        )
        return [b""]
    if path == "/slow":
        time.sleep(float(environ["QUERY_STRING"] or 1))
    size = len(environ["wsgi.input"].read())
    told = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}") for name in _HEADERS}
    body = json.dumps({"release": _RELEASE, "path": path, "size": size, "headers": told}).encode()
    start_response("503 Busy" if path == "/busy" else "200 OK", [*headers, ("Content-Type", "application/json")])
    return [body]
