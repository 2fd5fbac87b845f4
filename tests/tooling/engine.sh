#!/usr/bin/env bash
# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# engine.sh start|host|stop: a Docker engine of the tests' own, for machines where none answers. `start` prints the
# DOCKER_HOST to use, `host` too if it runs. Its data stays below .build, its sockets in a short folder below /run (a socket's
# path ends at 107 bytes), its containers on a bridge of its own; `stop` removes the latter two.
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

# A bridge with a network that no other interface has.
make_bridge() {
    local bridge=$1 octet
    for octet in $(seq 20 250); do
        if [ -z "$(ip -4 -oneline address show to "172.30.$octet.0/24")" ]; then
            ip link add name "$bridge" type bridge
            ip address add "172.30.$octet.1/24" dev "$bridge"
            ip link set "$bridge" up
            return
        fi
    done
    return 1
}

start() {
    local run bridge
    if running; then
        host
        return
    fi
    mkdir -p "$home"
    run=$(mktemp --directory /run/lockstep-XXXXXX)
    printf '%s\n' "$run" >"$home/run"
    bridge=lk-${run##*-}
    make_bridge "$bridge"
    # No packet filter: the containers need nothing from outside, and are reached through ports on loopback.
    setsid dockerd --data-root "$home/data" --exec-root "$run" --host "unix://$run/docker.sock" \
        --pidfile "$home/dockerd.pid" --bridge "$bridge" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
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
        /run/lockstep-??????)
            ip link delete "lk-${run##*-}" 2>/dev/null || true
            rm -rf "$run"
            ;;
    esac
    rm -f "$home/run" "$home/dockerd.pid"
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
