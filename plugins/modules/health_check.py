# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_check
short_description: Ask whether services are healthy, patiently and within a time
version_added: 0.1.0
description:
  - Asks HTTP servers, TCP ports, unix sockets, commands, databases, systemd units and containers, each again and again
    until it passes or its attempts are used up.
  - What can't be known (no answer where one is needed, no data, no time left) is inconclusive, and never passes.
  - Checks of kind V(startup) come first, then V(readiness), V(liveness) and V(performance); those of one kind are asked
    side by side. When one of V(startup) does not pass, the later kinds are not asked.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes.info
options:
  checks:
    description: What must hold. Options that do not belong to a check's type are refused.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the check is called in the results. Its type if not given.
        type: str
      type:
        description: How it is asked.
        type: str
        required: true
        choices: [http, tcp, command, sql, systemd, container, performance]
      kind:
        description: When it is asked. V(performance) for that type, else V(readiness) if not given.
        type: str
        choices: [startup, readiness, liveness, performance]
      attempts:
        description: How often it is asked at most. 30 if not given, for type V(performance) 1.
        type: int
      interval:
        description: Seconds between the beginnings of two attempts. 10 if not given.
        type: float
      timeout:
        description: Seconds one attempt may take. 10 if not given, for type V(performance) 60.
        type: float
      successes:
        description: How many passes in a row make it pass. 1 if not given.
        type: int
      url:
        description: Types V(http), V(performance). What to ask; its host is the Host header and the TLS name.
        type: str
      connect:
        description:
          - Types V(http), V(performance). Where to connect instead of the URL's host.
          - Type V(tcp). Who must accept connections.
          - C(host:port) or C(unix:/path).
        type: str
      method:
        description: Types V(http), V(performance). V(GET) if not given.
        type: str
      headers:
        description: Types V(http), V(performance). Headers to send. They are not hidden in Ansible's output.
        type: dict
      authorization:
        description: Types V(http), V(performance). The header of that name, hidden in Ansible's output.
        type: str
      body:
        description: Types V(http), V(performance). What to send.
        type: str
      verify:
        description: Types V(http), V(performance). Whether the certificate must be valid; it must if not given.
        type: bool
      ca_file:
        description: Types V(http), V(performance). Certificates to trust instead of the system's.
        type: path
      redirects:
        description: Types V(http), V(performance). How many redirects to follow. None if not given.
        type: int
      max_bytes:
        description: Types V(http), V(performance). How much of an answer is read. 1 MiB if not given.
        type: int
      status:
        description: Types V(http), V(performance). Accepted statuses, V(2xx) for all of a kind. V(200) if not given.
        type: list
        elements: str
      expect_headers:
        description: Types V(http), V(performance). Headers of the answer and their exact values.
        type: dict
      contains:
        description: Types V(http), V(performance), V(command). Text in the answer or output.
        type: str
      matches:
        description: Types V(http), V(performance), V(command). Regular expression found in the answer or output.
        type: str
      json:
        description: Types V(http), V(performance). Paths in a JSON answer (V(message.items.0.name)) and their values.
        type: dict
      version:
        description: Type V(http). The version that must answer. An answer that names none is inconclusive.
        type: str
      version_header:
        description: Type V(http). The header that names the version.
        type: str
      version_json:
        description: Type V(http). The path in a JSON answer that names the version.
        type: str
      max_p95:
        description: Type V(performance). Seconds that 95 % of the requests may take at most.
        type: float
      requests:
        description: Type V(performance). How many requests, one after the other. 20 if not given.
        type: int
      argv:
        description: Type V(command). The command as a list; no shell is involved.
        type: list
        elements: str
      user:
        description: Type V(command). Run as this user; needs root.
        type: str
      cwd:
        description: Type V(command). Folder to run in.
        type: path
      env:
        description: Type V(command). Further environment variables. They are not hidden in Ansible's output.
        type: dict
      rc:
        description: Type V(command). Accepted return codes. V(0) if not given.
        type: list
        elements: int
      query:
        description: Type V(sql). A query; the first value of its first row counts, and none is inconclusive.
        type: str
      equals:
        description: Type V(sql). The value, compared as text.
        type: str
      minimum:
        description: Type V(sql). The least the value may be.
        type: float
      maximum:
        description: Type V(sql). The most the value may be.
        type: float
      unit:
        description: Type V(systemd). The unit that must be active.
        type: str
      sub_state:
        description: Type V(systemd). What it must be beside active (V(exited), V(listening)). V(running) if not given.
        type: str
      container:
        description: Type V(container). Name or id of the container.
        type: str
      require:
        description: Type V(container). What it must be, V(healthy) by its own health check. V(healthy) if not given.
        type: str
        choices: [healthy, running]
      engine:
        description: Type V(container). V(docker) if not given.
        type: str
        choices: [docker, podman]
  health_check_timeout:
    description: Seconds for everything together; what there was no time for is inconclusive. No bound if not given.
    type: float
  database:
    description: The MariaDB or MySQL database that checks of type V(sql) ask.
    type: dict
    suboptions:
      name:
        description: Name of the schema.
        type: str
        required: true
      user:
        description: The user.
        type: str
        required: true
      password:
        description: The user's password.
        type: str
        default: ""
      host:
        description: Name or address of its server.
        type: str
      port:
        description: Its TCP port.
        type: int
      socket:
        description: Its unix socket; wins over O(database.host) and O(database.port).
        type: path
  fail_on:
    description: What makes the task fail. With V(never), look at RV(health.overall_status).
    type: str
    choices: [inconclusive, failed, never]
    default: inconclusive
"""

EXAMPLES = r"""
- name: Wait until the new version answers
  lockstep.deploy.health_check:
    health_check_timeout: 120
    checks:
      - name: accepts connections
        type: tcp
        kind: startup
        connect: 127.0.0.1:8000
      - name: right version
        type: http
        url: https://erp.example.com/api/version
        version: 2.4.0
        version_json: version
      - name: fast enough
        type: performance
        url: https://erp.example.com/login
        max_p95: 0.5

- name: See whether a site has a backlog of e-mails
  lockstep.deploy.health_check:
    fail_on: never
    database:
      name: _1bd3e0294da19198
      user: _1bd3e0294da19198
      password: "{{ vault_site_password }}"
    checks:
      - name: mails waiting
        type: sql
        query: SELECT COUNT(*) FROM `tabEmail Queue` WHERE status = 'Not Sent'
        maximum: 100
        attempts: 1
  register: mails
"""

RETURN = r"""
health:
  description: What all checks came to.
  type: dict
  returned: when the checks could be asked
  contains:
    overall_status:
      description: V(passed) if every check passed, V(failed) if one failed, else V(inconclusive).
      type: str
    total_checks:
      description: How many checks there are.
      type: int
    passed:
      description: How many passed.
      type: int
    failed:
      description: How many failed.
      type: int
    inconclusive:
      description: How many could not be known.
      type: int
    checks:
      description: Each check in the order given.
      type: list
      elements: dict
      contains:
        name:
          description: What the check is called.
          type: str
        type:
          description: How it was asked.
          type: str
        passed:
          description: Whether it passed; null when that could not be known.
          type: bool
        message:
          description: What was seen, in a sentence.
          type: str
        attempts:
          description: How often it was asked.
          type: int
        seconds:
          description: How long that took.
          type: float
        observed:
          description: The figures behind it.
          type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import check
from ansible_collections.lockstep.deploy.plugins.module_utils._health.probes import Sql
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database

_REQUEST = ("url", "connect", "method", "body", "contains", "matches", "version", "version_header", "version_json")
_CHECK: dict[str, t.Any] = {
    **{name: {"type": "str"} for name in ("name", *_REQUEST)},
    **{name: {"type": "str"} for name in ("user", "query", "equals", "unit", "sub_state", "container")},
    **{name: {"type": "int"} for name in ("attempts", "successes", "redirects", "max_bytes", "requests")},
    **{name: {"type": "float"} for name in ("interval", "timeout", "max_p95", "minimum", "maximum")},
    **{name: {"type": "dict"} for name in ("headers", "expect_headers", "json", "env")},
    **{name: {"type": "path"} for name in ("ca_file", "cwd")},
    "type": {"type": "str", "required": True, "choices": list(check.TYPES)},
    "kind": {"type": "str", "choices": list(check.KINDS)},
    "authorization": {"type": "str", "no_log": True},
    "verify": {"type": "bool"},
    "status": {"type": "list", "elements": "str"},
    "argv": {"type": "list", "elements": "str"},
    "rc": {"type": "list", "elements": "int"},
    "require": {"type": "str", "choices": ["healthy", "running"]},
    "engine": {"type": "str", "choices": ["docker", "podman"]},
}
_DATABASE = {
    "name": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "password": {"type": "str", "default": "", "no_log": True},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "socket": {"type": "path"},
}
_FAILING = {"inconclusive": ("failed", "inconclusive"), "failed": ("failed",), "never": ()}


def sql_of(options: t.Mapping[str, t.Any] | None) -> Sql | None:
    """What runs the queries of type ``sql``; None where no database was given."""
    if options is None:
        return None
    database = Database(**options)
    return lambda query, timeout: database.value(query, timeout=timeout)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "checks": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": _CHECK,
                "required_if": [("type", kind, list(names)) for kind, names in check.REQUIRED.items()],
            },
            "health_check_timeout": {"type": "float"},
            "database": {"type": "dict", "options": _DATABASE},
            "fail_on": {"type": "str", "choices": ["inconclusive", "failed", "never"], "default": "inconclusive"},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        sql = sql_of(params["database"])
        checks = [check.Check.from_mapping(given, sql) for given in params["checks"]]
        health = check.run_checks(checks, params["health_check_timeout"])
    except LockstepError as error:
        module.fail_json(**error.result())
    if health["overall_status"] in _FAILING[params["fail_on"]]:
        wrong = [f"{one['name']}: {one['message']}" for one in health["checks"] if not one["passed"]]
        said = "; ".join(wrong) or "nothing was asked"
        module.fail_json(msg=f"health is {health['overall_status']}: {said}", health=health)
    module.exit_json(changed=False, health=health)


if __name__ == "__main__":
    main()
