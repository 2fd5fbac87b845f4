# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that say which unit a module acts on, in which deployment."""

from __future__ import annotations


class ModuleDocFragment:
    """A unit of a Frappe bench, and the bench it belongs to."""

    DOCUMENTATION = r"""
options:
  unit:
    description: Name of the unit, as the inventory has it.
    type: str
    required: true
  deployment_id:
    description: The deployment that acts on it. It owns the unit's lock and is written to journal and manifest.
    type: str
    required: true
"""

    BENCH = r"""
options:
  bench:
    description: The bench, under the names the deployment file uses.
    type: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      path:
        description: Folder of the bench as C(bench init) made it.
        type: path
        required: true
      root:
        description: >-
          Folder for releases, site data and backups, on the same file system as O(bench.path).
          V(lockstep/<name>) beside the bench by default.
        type: path
      user:
        description: System user that owns the bench. The owner of O(bench.path) by default.
        type: str
      bench_command:
        description: The C(bench) executable.
        type: str
        default: bench
      python:
        description: Interpreter for the environment of a new release. The one of the live bench by default.
        type: str
      env:
        description: Environment variables for builds and bench commands. Hidden in Ansible's output.
        type: json
      process_manager:
        description: What runs the processes of a release.
        type: str
        choices: [supervisor, systemd]
        default: supervisor
      supervisor:
        description: The supervisor that runs releases.
        type: dict
        default: {}
        suboptions:
          control:
            description: The C(supervisorctl) command with its options.
            type: list
            elements: str
            default: [supervisorctl]
          conf_dir:
            description: Folder whose files supervisord includes.
            type: path
            default: /etc/supervisor/conf.d
      ports:
        description: Loopback ports that Redis and realtime of releases may use.
        type: dict
        suboptions:
          first:
            description: The first one.
            type: int
            default: 21000
          last:
            description: The last one.
            type: int
            default: 29999
      state_dir:
        description: Folder for journals, locks and manifests.
        type: path
        default: /var/lib/lockstep
      runtime_dir:
        description: Folder for sockets. Their paths must stay under 108 bytes.
        type: path
        default: /run/lockstep
      backup_dir:
        description: Folder for backups. V(backups) below O(bench.root) by default.
        type: path
      keep_releases:
        description: How many releases beside the adopted bench stay on disk.
        type: int
        default: 2
      nginx:
        description: The nginx in front of the bench.
        type: dict
        suboptions:
          binary:
            description: The nginx program.
            type: str
            default: nginx
          conf:
            description: Its main configuration file.
            type: path
            default: /etc/nginx/nginx.conf
          prefix:
            description: Its prefix folder, where it has one of its own.
            type: path
          conf_dir:
            description: The folder it includes, where the collection's file goes.
            type: path
            default: /etc/nginx/conf.d
          log_dir:
            description: Folder of the access log.
            type: path
            default: /var/log/nginx
          listen:
            description: Addresses for sites that nginx does not serve yet.
            type: list
            elements: str
      database:
        description: The database server, where sites don't say it themselves.
        type: dict
        suboptions:
          host:
            description: Its address.
            type: str
          port:
            description: Its TCP port.
            type: int
          socket:
            description: Its unix socket.
            type: path
          admin:
            description: >-
              An account that may create a scratch schema, for restores that no reader notices and for rehearsals.
              For those it needs C(CREATE USER) and the C(GRANT OPTION), too.
              Without it, and without the system's root being let in by socket, sites are closed during a restore.
            type: dict
            suboptions:
              user:
                description: Its name.
                type: str
                default: root
              password:
                description: Its password.
                type: str
              socket:
                description: Unix socket for this account.
                type: path
"""
