#!/usr/bin/env bash
# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sanity.sh [argument of ansible-test sanity …]: ansible-test works only below ansible_collections/<namespace>/<name>, so it
# gets a copy of what git knows. Its own virtual environments stay in .build between runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly clone=$PWD
readonly scratch=$clone/.build/sanity
readonly copy=$scratch/ansible_collections/lockstep/deploy
readonly cache=$scratch/home/.ansible/test/cache

# ansible-test fetches get-pip.py from a server of its own, one version per ansible-core. The pip that comes
# with Python does as well, and needs no network.
write_get_pip() {
    local name
    mkdir -p "$cache"
    for name in get_pip_24_2.py get_pip_25_2.py; do
        cat >"$cache/$name" <<'PYTHON'
import ensurepip
import sys


def main():
    ensurepip.bootstrap(upgrade=True, default_pip=True)


if __name__ == "__main__":
    sys.exit(main())
PYTHON
    done
}

copy_collection() {
    rm -rf "$copy"
    mkdir -p "$copy"
    # Also files that are not added yet, but none that are deleted; .collections is a link to the clone itself.
    git ls-files -z --cached --others --exclude-standard -- . ':!.collections' |
        while IFS= read -r -d '' file; do
            if [ -e "$file" ]; then printf '%s\0' "$file"; fi
        done | tar --create --null --files-from=- --file=- | tar --extract --directory="$copy" --file=-
    # Without a repository of its own the copy would be a part of the clone's, where .build is ignored.
    git -C "$copy" init --quiet
    git -C "$copy" add --all --force
}

mkdir -p "$scratch"
exec 8>"$scratch/lock"
flock 8
write_get_pip
copy_collection
cd "$copy"
export HOME=$scratch/home
export PATH="$clone/.build/venv/bin:/usr/bin:/bin"
exec ansible-test sanity --color no "$@"
