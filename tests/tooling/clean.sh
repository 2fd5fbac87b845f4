#!/usr/bin/env bash
# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Ends what demo and tests left running, by their pid files, and removes everything they and the tools made in this clone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

own_processes() {
    local python
    for python in .build/venv/bin/python /usr/bin/python3; do
        if [ -x "$python" ]; then
            "$python" -c 'import pathlib, tests.support.daemons as d; d.end_recorded(pathlib.Path(".build")); d.forget_ports()'
            return
        fi
    done
}

own_containers() {
    local host containers images
    host=$(tests/tooling/engine.sh host)
    [ -z "$host" ] || export DOCKER_HOST=$host
    timeout 20 docker version >/dev/null 2>&1 || return 0
    mapfile -t containers < <(docker ps --all --quiet --filter label=lockstep.deploy)
    [ "${#containers[@]}" -eq 0 ] || docker rm --force --volumes "${containers[@]}" >/dev/null
    mapfile -t images < <(docker images --quiet lockstep-bench-server)
    [ "${#images[@]}" -eq 0 ] || docker rmi --force "${images[@]}" >/dev/null
}

if [ -d .build ]; then
    own_processes
    own_containers
    tests/tooling/engine.sh stop
fi
rm -rf .build build .hypothesis
find . -path ./.git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
