#!/bin/sh
# Makes .venv, or mends it: from hash-locked requirements, with uv. Says what it does on stderr.
# With `dev` as argument it adds what tests and checks need.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd -P)
venv=$root/.venv
which=${1:-run}

say() { printf '%s\n' "deploy: $*" >&2; }

fail() { # what happened, what to do next
    say "error: $1"
    say "  next: $2"
    exit 1
}

find_python() {
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

# uv: the one on PATH, else one of our own, put by pip below .venv-tools with its hash checked.
find_uv() {
    if command -v uv 2>/dev/null; then return 0; fi
    own=$root/.venv-tools/bin/uv
    if ! [ -x "$own" ]; then
        say "fetching uv, the installer (about 20 MB)"
        get_uv >&2 || return 1
    fi
    printf '%s\n' "$own"
}

get_uv() {
    target=$root/.venv-tools
    rm -rf "$target.new"
    set -- install --quiet --disable-pip-version-check --no-deps --require-hashes --target "$target.new" \
        -r "$root/requirements-uv.lock"
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m pip "$@" || return 1
    else
        wheel=$(pip_wheel) || return 1
        PYTHONPATH=$wheel "$python" -m pip "$@" || return 1
    fi
    rm -rf "$target"
    mv "$target.new" "$target"
}

# A fresh Debian's python3 has no pip. Its wheel is in a package that anybody may download and unpack, without root.
pip_wheel() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    say "this Python has no pip: unpacking Debian's python3-pip-whl into a folder of our own"
    folder=$root/.venv-pip
    rm -rf "$folder"
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    set -- -qq -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o Acquire::Languages=none
    if [ "$(id -u)" = 0 ]; then set -- "$@" -o APT::Sandbox::User=root; fi
    (cd "$folder" && apt-get "$@" update && apt-get "$@" download python3-pip-whl) >&2 || return 1
    dpkg-deb -x "$folder"/*.deb "$folder/unpacked" || return 1
    find "$folder/unpacked" -name 'pip-*.whl' | head -n 1
}

install() { # lock file
    "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$root/$1" ||
        fail "the packages of $1 could not be installed" \
            "Is the package index reachable, and is there room on the disk? Then run the same command again."
}

make_venv() {
    lock=$root/requirements.lock
    if ! { [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import sys' 2>/dev/null; }; then
        say "first run: making .venv with $("$python" --version 2>&1) (about half a minute)"
        rm -rf "$venv"
        "$uv" venv --quiet --python "$python" "$venv" ||
            fail ".venv could not be made in $root" "Free space, or mend the folder's permissions."
    elif ! cmp -s "$lock" "$venv/.requirements.lock"; then
        say "bringing .venv up to date"
    fi
    if ! cmp -s "$lock" "$venv/.requirements.lock"; then
        rm -f "$venv/.requirements.lock" "$venv/.requirements-dev.lock"
        say "installing $(grep -c '==' "$lock") packages"
        install requirements.lock
        link_project
        cp "$lock" "$venv/.requirements.lock"
        say "done"
    fi
}

# The repository's own packages: one line in site-packages, and metadata so that the version can be asked for.
link_project() {
    "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable "$root" ||
        fail "the toolkit could not be linked into .venv" "Run the same command again."
}

# Trust what the system trusts: a company's own authority is there, and not in uv's own list. (Older uv: the second name.)
export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1

[ -w "$root" ] || fail "the folder $root cannot be written, and .venv belongs there" "Clone it to a place that you own."
python=$(find_python) ||
    fail "no Python 3.11 or later was found" "On Debian: apt-get install python3; or name one with PYTHON=/path/to/python."

# Two first runs at once must not make the same folder: the second waits, and finds the work done.
if command -v flock >/dev/null && [ -z "${CLOISTER_VENV_LOCKED:-}" ]; then
    CLOISTER_VENV_LOCKED=1 exec flock "$root/.venv.lock" sh "$0" "$@"
fi

uv=$(find_uv) ||
    fail "uv could not be had: neither on PATH, nor through pip" \
        "Is the package index reachable? On Debian without pip: apt-get install python3-pip; then run this again."
make_venv
if [ "$which" = dev ] && ! cmp -s "$root/requirements-dev.lock" "$venv/.requirements-dev.lock"; then
    say "adding what tests and checks need"
    install requirements-dev.lock
    cp "$root/requirements-dev.lock" "$venv/.requirements-dev.lock"
fi
