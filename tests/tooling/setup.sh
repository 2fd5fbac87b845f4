#!/usr/bin/env bash
# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# setup.sh demo|test|engine: system packages and the Python environment that make's targets stand on.
# A second run finds everything in place and costs nothing. PYTHON names another interpreter than the newest of /usr/bin,
# VENV another folder than .build/venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly level=${1:?usage: setup.sh demo|test|engine}
readonly venv=${VENV:-.build/venv}
readonly policy=/usr/sbin/policy-rc.d
export PATH="$PATH:/usr/sbin:/sbin"

die() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

newest_python() {
    local minor
    for minor in 13 12 11 14; do
        if [ -x "/usr/bin/python3.$minor" ]; then
            printf '/usr/bin/python3.%s\n' "$minor"
            return
        fi
    done
}

wanted_packages() {
    local who package command
    while read -r who package command; do
        case "$who:$level" in
            demo:* | test:test | test:engine | engine:engine)
                command -v "$command" >/dev/null || printf '%s\n' "$package"
                ;;
        esac
    done <tests/tooling/packages.txt
    # Debian keeps the module that puts pip into a virtual environment in a package of its own.
    "$python" -c 'import ensurepip' 2>/dev/null || printf '%s-venv\n' "${python##*/}"
}

# Packages start their services when installed. Nothing here uses those, so they stay down, unless the
# machine has a policy of its own.
install_packages() {
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 0755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends "$@"
    if [ -n "$(trap -p EXIT)" ]; then
        rm -f "$policy"
        trap - EXIT
    fi
}

system_packages() {
    local packages
    mapfile -t packages < <(wanted_packages)
    [ "${#packages[@]}" -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        die "these packages (Debian's names) are missing: ${packages[*]}"
    elif [ "$(id -u)" -ne 0 ]; then
        die "these packages are missing; this installs them:
sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
    fi
    install_packages "${packages[@]}"
}

python_packages() {
    local lock stamp wanted
    case "$level" in
        demo) lock='demo' ;;
        *) lock='test' ;;
    esac
    stamp=$venv/installed-$lock
    wanted="$("$python" --version) $(sha256sum <"requirements/$lock.lock")"
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
    if [ "$("$venv/bin/python" --version 2>/dev/null)" != "$("$python" --version)" ]; then
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
    printf 'setup: installing requirements/%s.lock into %s\n' "$lock" "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes \
        --requirement "requirements/$lock.lock"
    printf '%s\n' "$wanted" >"$stamp"
}

case "$PWD" in
    *[[:space:]]*) die "the path of this clone has a space in it ($PWD): nginx, supervisor and interpreter lines can't hold it; clone it elsewhere" ;;
esac
python=${PYTHON:-$(newest_python)}
[ -n "$python" ] || die "no /usr/bin/python3.11 or newer here; PYTHON=/path/to/python3.12 names one elsewhere"
mkdir -p .build
exec 9>.build/setup.lock
flock 9
system_packages
python_packages
