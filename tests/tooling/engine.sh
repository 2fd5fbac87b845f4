#!/usr/bin/env bash
# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# engine.sh start|host|stop: a Docker engine of the tests' own, for machines where none answers. `start` prints the
# DOCKER_HOST to use, `host` too if it runs. Its data stays below .build, its sockets in a short folder below /run (a socket's path ends at 107 bytes); `stop`
# removes the latter and the bridge that the engine made.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly home=$PWD/.build/engine
export PATH="$PATH:/usr/sbin:/sbin"

answers() {
    timeout 20 docker --host "unix://$1/docker.sock" version >/dev/null 2>&1
}

running() {
    local pid
    pid=$(cat "$home/dockerd.pid" 2>/dev/null) || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

host() {
    if running; then printf 'unix://%s/docker.sock\n' "$(cat "$home/run")"; fi
}

start() {
    local run
    if running; then
        host
        return
    fi
    mkdir -p "$home"
    run=$(mktemp --directory /run/lockstep-XXXXXX)
    printf '%s\n' "$run" >"$home/run"
    if ip link show docker0 >/dev/null 2>&1; then touch "$home/bridge-was-there"; fi
    # No packet filter: the containers need nothing from outside, and are reached through ports on loopback.
    setsid dockerd --data-root "$home/data" --exec-root "$run" --host "unix://$run/docker.sock" \
        --pidfile "$home/dockerd.pid" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
        >"$home/log" 2>&1 </dev/null &
    local dockerd=$! deadline=$((SECONDS + 60))
    until answers "$run"; do
        if ! kill -0 "$dockerd" 2>/dev/null || [ "$SECONDS" -gt "$deadline" ]; then
            tail -n 20 "$home/log" >&2
            printf 'engine: dockerd did not come up\n' >&2
            stop
            exit 1
        fi
        sleep 0.2
    done
    host
}

stop() {
    local pid run deadline=$((SECONDS + 60))
    if running; then
        pid=$(cat "$home/dockerd.pid")
        kill "$pid"
        while [ -d "/proc/$pid" ] && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.2; done
    fi
    run=$(cat "$home/run" 2>/dev/null || true)
    case "$run" in
        /run/lockstep-??????) rm -rf "$run" ;;
    esac
    if [ -n "$run" ] && [ ! -e "$home/bridge-was-there" ]; then ip link delete docker0 2>/dev/null || true; fi
    rm -f "$home/run" "$home/dockerd.pid" "$home/bridge-was-there"
}

case "${1:-}" in
    start) start ;;
    host) host ;;
    stop) stop ;;
    *)
        printf 'usage: engine.sh start|host|stop\n' >&2
        exit 2
        ;;
esac
