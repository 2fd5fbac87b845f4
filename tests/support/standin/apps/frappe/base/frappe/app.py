# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The web application: the Host header names the site."""

from __future__ import annotations

import http
import http.cookies
import json
import os
import typing as t
import urllib.parse

import frappe
from frappe import pages
from frappe.auth import authenticate, login
from frappe.installer import modules_of

_SITES = os.environ.get("SITES_PATH", ".")
_UNSAFE = ("POST", "PUT", "DELETE", "PATCH")
StartResponse = t.Callable[[str, list[tuple[str, str]]], t.Any]


class Request:
    """What a request says."""

    def __init__(self, environ: dict[str, t.Any]) -> None:
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ.get("PATH_INFO") or "/"
        self.host = str(environ.get("HTTP_HOST", "")).rpartition("@")[2].split(":")[0]
        self.site = environ.get("HTTP_X_FRAPPE_SITE_NAME") or self.host
        self.accept = environ.get("HTTP_ACCEPT", "")
        self.authorization = environ.get("HTTP_AUTHORIZATION", "")
        cookies = http.cookies.SimpleCookie(environ.get("HTTP_COOKIE", ""))
        self.cookies = {name: morsel.value for name, morsel in cookies.items()}
        self.form = self._form(environ)

    def _form(self, environ: dict[str, t.Any]) -> dict[str, t.Any]:
        found: dict[str, t.Any] = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length).decode(errors="replace") if length else ""
        if "json" in environ.get("CONTENT_TYPE", ""):
            found.update(json.loads(body or "{}"))
        else:
            found.update(urllib.parse.parse_qsl(body, keep_blank_values=True))
        return found

    @property
    def wants_json(self) -> bool:
        return self.path.startswith("/api/") and not self.accept.startswith("text")


class Response(t.NamedTuple):
    status: int
    body: str
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def application(environ: dict[str, t.Any], start_response: StartResponse) -> list[bytes]:
    request = Request(environ)
    try:
        response = _respond(request)
    finally:
        frappe.destroy()
    body = response.body.encode()
    headers = [("Content-Type", response.content_type), ("Content-Length", str(len(body))), *response.headers]
    start_response(f"{response.status} {http.HTTPStatus(response.status).phrase}", headers)
    return [] if request.method == "HEAD" else [body]


def _respond(request: Request) -> Response:
    try:
        _open_site(request)
    except frappe.IncorrectSitePath:
        return Response(404, pages.not_found())
    except Exception as error:
        return _failure(request, error)
    try:
        response = _route(request)
        if request.method in _UNSAFE or frappe.local.flags.commit:
            frappe.local.db.commit()
        else:
            frappe.local.db.rollback()
    except Exception as error:
        if frappe.local.db:
            frappe.local.db.rollback()
        response = _failure(request, error)
    return response


def _open_site(request: Request) -> None:
    frappe.init(site=request.site, sites_path=_SITES, force=True)
    frappe.local.request = request
    conf = frappe.local.conf
    if not request.site or not conf.db_name:
        raise frappe.IncorrectSitePath(request.site)
    frappe.connect(set_admin_as_user=False)
    frappe.local.cache.get_value("app_modules", _modules)
    if conf.maintenance_mode:
        if not conf.allow_reads_during_maintenance:
            raise frappe.SessionStopped("Session Stopped")
        frappe.local.flags.read_only = True
        frappe.local.db.begin(read_only=True)
    frappe.local.form_dict = frappe._dict(request.form)
    authenticate(request.cookies, request.authorization)
    frappe.get_system_settings("time_zone")  # every request reads settings: with tables and cache gone none succeeds


def _modules() -> dict[str, list[str]]:
    """Modules of the installed apps that are listed in the bench; a listed one without code fails every request."""
    return {app: modules_of(app) for app in frappe.get_installed_apps() if app in frappe.get_all_apps()}


def _route(request: Request) -> Response:
    path = request.path
    if request.method == "OPTIONS":
        return Response(200, "")
    if path.startswith("/api/method/"):
        return _method(path.removeprefix("/api/method/").strip("/"), request)
    if path.startswith("/api/resource/"):
        return _resource(urllib.parse.unquote(path.removeprefix("/api/resource/")).strip("/"))
    if request.method not in ("GET", "HEAD", "POST"):
        return Response(404, pages.not_found())
    if path in ("/", "/login", "/about"):
        return Response(200, pages.page(path.strip("/") or "login"))
    if path.startswith("/app"):
        if frappe.local.session.user == "Guest":
            return Response(301, "", headers=(("Location", "/login?redirect-to=%2Fapp"),))
        return Response(200, pages.page("app"))
    raise frappe.DoesNotExistError(path)


def _method(name: str, request: Request) -> Response:
    if name == "login":
        return _login()
    short = {"ping": "frappe.ping", "logout": "frappe.pages.logout"}
    for hook in reversed(frappe.get_hooks("override_whitelisted_methods", {}).get(name, [])):
        name = hook
        break
    try:
        function = frappe.get_attr(short.get(name, name))
    except Exception as error:
        frappe.throw(f"Failed to get method for command {name} with {error}")
    if function not in frappe.whitelisted or (
        frappe.local.session.user == "Guest" and function not in frappe.guest_methods
    ):
        raise frappe.PermissionError(f"Function {name} is not whitelisted.")
    if request.method not in frappe.whitelisted[function]:
        raise frappe.PermissionError("Not permitted")
    result = frappe.call(function, **frappe.local.form_dict)
    return _json(200, {"message": result} if result is not None else {})


def _login() -> Response:
    form = frappe.local.form_dict
    sid = login(form.usr or "", form.pwd or "")
    answer = {"message": "Logged In", "home_page": "/app", "full_name": form.usr}
    cookies = (f"sid={sid}; HttpOnly; Path=/; SameSite=Lax", "system_user=yes; Path=/", f"user_id={form.usr}; Path=/")
    return _json(200, answer, tuple(("Set-Cookie", cookie) for cookie in cookies))


def _resource(doctype: str) -> Response:
    frappe.only_for("System Manager")
    doctype, _ignored, name = doctype.partition("/")
    if name:
        return _json(200, {"data": frappe.get_doc(doctype, name)})
    return _json(200, {"data": frappe.get_all(doctype)[:20]})


def _json(status: int, answer: t.Any, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    return Response(status, json.dumps(answer, default=str), "application/json", headers)


def _failure(request: Request, error: Exception) -> Response:
    status = getattr(error, "http_status_code", 500)
    trace = frappe.get_traceback()
    if status >= 500:
        print(trace, flush=True)
        _remember(error)
    if request.wants_json:
        answer: dict[str, t.Any] = {"exc_type": type(error).__name__}
        if status < 500 and str(error):
            answer["exception"] = f"{type(error).__name__}: {error}"
        return _json(status, answer)
    if isinstance(error, frappe.SessionStopped | frappe.InReadOnlyMode):
        return Response(status, pages.stopped())
    if status == 404 and frappe.local.db:
        return Response(status, pages.page("404"))
    return Response(status, pages.error(status))


def _remember(error: Exception) -> None:
    """An Error Log for what users saw as a server error, where the database can still take it."""
    if not frappe.local.db or isinstance(error, frappe.SessionStopped | frappe.InReadOnlyMode):
        return
    try:
        frappe.log_error(title=str(error)[:140])
        frappe.local.db.commit()
    except Exception as failure:
        print(f"No Error Log: {failure}", flush=True)
