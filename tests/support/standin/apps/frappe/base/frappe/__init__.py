# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-in for the framework: the part of its Python interface that apps, commands and the web use.

It shares names and behaviour with Frappe, and no code.
"""

from __future__ import annotations

import importlib
import json
import os
import threading
import traceback
import typing as t

from frappe.exceptions import (
    AuthenticationError,
    DoesNotExistError,
    IncorrectSitePath,
    InReadOnlyMode,
    PermissionError,
    SessionStopped,
    SiteNotSpecifiedError,
    ValidationError,
)

__version__ = "0.0.0"

__all__ = [
    "AuthenticationError",
    "DoesNotExistError",
    "InReadOnlyMode",
    "IncorrectSitePath",
    "PermissionError",
    "SessionStopped",
    "SiteNotSpecifiedError",
    "ValidationError",
]

local = threading.local()
whitelisted: dict[t.Callable[..., t.Any], tuple[str, ...]] = {}
guest_methods: set[t.Callable[..., t.Any]] = set()
_LOCALS = ("db", "conf", "flags", "session", "form_dict", "cache", "request", "response")
_HTTP_METHODS = ("GET", "POST", "PUT", "DELETE")


class _dict(dict[str, t.Any]):
    """A dict whose keys are attributes too; a missing one is None."""

    def __getattr__(self, name: str) -> t.Any:
        return self.get(name)

    def __setattr__(self, name: str, value: t.Any) -> None:
        self[name] = value


def __getattr__(name: str) -> t.Any:
    if name in _LOCALS:
        return getattr(local, name, None)
    raise AttributeError(f"module 'frappe' has no attribute {name!r}")


def init(site: str = "", sites_path: str = ".", new_site: bool = False, force: bool = False) -> None:
    """Make this thread work for a site: its configuration is read anew, nothing is connected yet."""
    from frappe.redis_cache import RedisCache

    if getattr(local, "initialised", False) and not force:
        return
    local.flags = _dict(new_site=new_site)
    local.site = site
    local.sites_path = sites_path
    local.site_path = os.path.join(sites_path, site)
    local.conf = get_site_config()
    local.db = None
    local.session = _dict(user="Guest", sid=None)
    local.form_dict = _dict()
    local.response = _dict()
    local.request = None
    local.cache = RedisCache()
    local.initialised = True


def connect(site: str | None = None, set_admin_as_user: bool = True) -> None:
    """Connect to the site's database."""
    from frappe.database import Database

    if site:
        init(site)
    local.db = Database.of_site(local.conf)
    if set_admin_as_user:
        set_user("Administrator")


def destroy() -> None:
    """Forget the site and close its connection."""
    if getattr(local, "db", None):
        local.db.close()
    local.__dict__.clear()


class init_site:
    """``init`` for the length of a ``with`` block."""

    def __init__(self, site: str | None = None) -> None:
        self.site = site or ""

    def __enter__(self) -> t.Any:
        init(self.site)
        return local

    def __exit__(self, *_: object) -> None:
        destroy()


def get_file_json(path: str) -> t.Any:
    with open(path, encoding="utf-8") as handle:
        return json.load(handle)


def get_site_config(sites_path: str | None = None, site_path: str | None = None) -> _dict:
    """The site's configuration on top of the bench's."""
    sites_path = sites_path or local.sites_path
    site_path = site_path or local.site_path
    config = _dict()
    common = os.path.join(sites_path, "common_site_config.json")
    if os.path.exists(common):
        config.update(_read_config(common, "common_site_config.json"))
    own = os.path.join(site_path, "site_config.json")
    if os.path.normpath(site_path) != os.path.normpath(sites_path):
        if os.path.exists(own):
            config.update(_read_config(own, f"{local.site}/site_config.json"))
        elif local.site and not local.flags.new_site:
            raise IncorrectSitePath(f"{local.site} does not exist")
    config["redis_queue"] = os.environ.get("FRAPPE_REDIS_QUEUE") or config.redis_queue or "redis://127.0.0.1:11311"
    config["redis_cache"] = os.environ.get("FRAPPE_REDIS_CACHE") or config.redis_cache or "redis://127.0.0.1:13311"
    config["db_type"] = config.db_type or "mariadb"
    config["db_host"] = os.environ.get("FRAPPE_DB_HOST") or config.db_host or "127.0.0.1"
    config["db_port"] = int(os.environ.get("FRAPPE_DB_PORT") or config.db_port or 3306)
    return config


def _read_config(path: str, name: str) -> dict[str, t.Any]:
    try:
        return dict(get_file_json(path))
    except Exception as error:
        print(f"{name} is invalid")
        print(error)
        return {}


def get_conf(site: str | None = None) -> _dict:
    if hasattr(local, "conf"):
        return t.cast(_dict, local.conf)
    with init_site(site):
        return t.cast(_dict, local.conf)


def get_site_path(*parts: str) -> str:
    return os.path.join(local.site_path, *parts)


def get_app_path(app: str, *parts: str) -> str:
    """Inside an app's Python package."""
    return os.path.join(os.path.dirname(str(importlib.import_module(app).__file__)), *parts)


def get_app_source_path(app: str, *parts: str) -> str:
    """Inside an app's repository."""
    return os.path.join(os.path.dirname(get_app_path(app)), *parts)


def get_all_apps(sites_path: str | None = None) -> list[str]:
    """The bench's apps, from ``sites/apps.txt``, frappe first."""
    path = os.path.join(sites_path or getattr(local, "sites_path", "."), "apps.txt")
    try:
        with open(path, encoding="utf-8") as handle:
            apps = [line.strip() for line in handle.read().splitlines() if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        apps = []
    return ["frappe", *(app for app in apps if app != "frappe")]


def get_installed_apps() -> list[str]:
    """The site's apps, in the order in which they were installed."""
    if not local.db or local.flags.in_install_db:
        return []
    return t.cast(list[str], json.loads(local.db.get_global("installed_apps") or "[]"))


def get_hooks(hook: str | None = None, default: t.Any = None, app_name: str | None = None) -> t.Any:
    """What the installed apps, or one app, declare in ``hooks.py``; everything is a list."""
    if app_name:
        hooks = _load_hooks([app_name])
    elif local.db:
        hooks = local.cache.get_value("app_hooks", lambda: _load_hooks(get_installed_apps()))
    else:
        hooks = _load_hooks(get_all_apps())
    if hook is None:
        return _dict(hooks)
    return hooks.get(hook, [] if default is None else default)


def _load_hooks(apps: t.Iterable[str]) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {}
    for app in apps:
        try:
            module = importlib.import_module(f"{app}.hooks")
        except ImportError as error:
            print(f'Could not find app "{app}": \n{error}')
            continue
        for name, value in vars(module).items():
            if name.startswith("_") or name == "annotations" or callable(value) or isinstance(value, type(os)):
                continue
            _merge_hook(found, name, value)
    return found


def _merge_hook(found: dict[str, t.Any], name: str, value: t.Any) -> None:
    if isinstance(value, dict):
        target = found.setdefault(name, {})
        for key, inner in value.items():
            _merge_hook(target, key, inner)
    else:
        found.setdefault(name, []).extend(value if isinstance(value, list | tuple) else [value])


def get_module(name: str) -> t.Any:
    return importlib.import_module(name)


def get_attr(path: str) -> t.Any:
    """The object a dotted path names."""
    module, _ignored, name = path.rpartition(".")
    if not module:
        raise AppNotInstalledError(f"App {path} is not installed")
    return getattr(importlib.import_module(module), name)


class AppNotInstalledError(ValidationError):
    pass


def call(method: str | t.Callable[..., t.Any], *args: t.Any, **kwargs: t.Any) -> t.Any:
    """Call with those keyword arguments that the function knows."""
    import inspect

    function = get_attr(method) if isinstance(method, str) else method
    known = inspect.signature(function).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in known.values()):
        kwargs = {name: value for name, value in kwargs.items() if name in known}
    return function(*args, **kwargs)


def whitelist(
    allow_guest: bool = False, methods: t.Sequence[str] | None = None
) -> t.Callable[[t.Callable[..., t.Any]], t.Callable[..., t.Any]]:
    """Let a function be called over HTTP."""

    def register(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        whitelisted[function] = tuple(methods or _HTTP_METHODS)
        if allow_guest:
            guest_methods.add(function)
        return function

    return register


def throw(message: str, exc: type[Exception] = ValidationError) -> t.NoReturn:
    raise exc(message)


def only_for(role: str) -> None:
    if local.session.user != "Administrator":
        raise PermissionError(f"Only for {role}")


def set_user(user: str) -> None:
    local.session.user = user


def get_traceback(with_context: bool = False) -> str:
    return traceback.format_exc()


def log_error(title: str | None = None, message: str | None = None) -> None:
    """Write an Error Log."""
    text = message or get_traceback()
    get_doc({"doctype": "Error Log", "method": (title or "")[:140], "error": text}).insert(ignore_permissions=True)


def clear_cache() -> None:
    """Delete all keys of this site's database but those that are no cache; says nothing when Redis is down."""
    local.cache.delete_keys("", but=get_hooks("persistent_cache_keys"))


def enqueue(method: str | t.Callable[..., t.Any], queue: str = "default", **kwargs: t.Any) -> t.Any:
    """See :func:`frappe.utils.background_jobs.enqueue`."""
    from frappe.utils.background_jobs import enqueue as put

    return put(method, queue=queue, **kwargs)


def get_doc(*args: t.Any, **kwargs: t.Any) -> t.Any:
    from frappe.model.document import get_doc as find

    return find(*args, **kwargs)


def get_all(doctype: str, **kwargs: t.Any) -> t.Any:
    from frappe.model.document import get_all as find

    return find(doctype, **kwargs)


def get_single(doctype: str) -> t.Any:
    return get_doc(doctype)


def reload_doc(module: str, document_type: str, name: str, force: bool = False) -> None:
    """Bring one doctype's table to the form its JSON file has."""
    from frappe.model.sync import reload_doc as reload

    reload(module, name, force=force)


def generate_hash(length: int = 10) -> str:
    import secrets

    return secrets.token_hex(length)[:length]


def get_system_settings(key: str) -> t.Any:
    """One of the site's settings; all of them are cached, so a request may find them where their table is gone."""
    if not local.db:
        return None
    return local.cache.get_value("system_settings", lambda: local.db.get_singles_dict("System Settings")).get(key)


def as_json(value: t.Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, default=str)


def scrub(text: str) -> str:
    return text.replace(" ", "_").replace("-", "_").lower()


@whitelist(allow_guest=True)
def ping() -> str:
    return "pong"
