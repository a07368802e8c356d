#!/bin/sh
# Makes .venv, or mends it: from hash-locked requirements, with uv. Says what it does on stderr.
# With `dev` as argument it adds what tests and checks need.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=$root/.venv
tools=$root/.venv-tools

say() { printf 'deploy: %s\n' "$*" >&2; }

fail() { # what happened, what to do next
    say "error: $1"
    say "  next: $2"
    exit 1
}

# The interpreter's real file: an upgrade of the distribution then leaves .venv visibly broken, not subtly wrong.
find_python() {
    for name in "${CLOISTER_PYTHON:-python3.13}" python3.13 python3.12 python3.11 python3; do
        "$name" -I -c 'import os, sys
sys.version_info >= (3, 11) or sys.exit(1)
print(os.path.realpath(sys.executable))' 2>/dev/null && return 0
    done
    return 1
}

# uv: the one on PATH, else one of our own, put by pip below .venv-tools with its hash checked.
find_uv() {
    if uv --version >/dev/null 2>&1; then
        command -v uv
    elif "$tools/bin/uv" --version >/dev/null 2>&1 && cmp -s "$root/requirements-uv.lock" "$tools/.lock"; then
        printf '%s\n' "$tools/bin/uv"
    else
        say "fetching uv, the installer (about 25 MB)"
        get_uv >&2 || return 1
        printf '%s\n' "$tools/bin/uv"
    fi
}

get_uv() {
    rm -rf "$tools.new"
    mkdir -p "$tools.new" || return 1
    export PIP_ROOT_USER_ACTION=ignore # what it warns of does not apply to a folder of our own
    set -- -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        --target "$tools.new" -r "$root/requirements-uv.lock"
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" "$@" || return 1
    else
        wheel=$(pip_wheel) || return 1
        PYTHONPATH=$wheel "$python" "$@" || return 1
    fi
    rm -rf "$tools.new/apt"
    cp "$root/requirements-uv.lock" "$tools.new/.lock" || return 1
    rm -rf "$tools" && mv "$tools.new" "$tools"
}

# A fresh Debian's python3 has no pip. Its wheel may be on the disk all the same; else it is in a package that anybody
# may download and unpack, without root: through lists of our own, signatures checked by apt as ever.
pip_wheel() {
    bundled=$("$python" -I -c 'import ensurepip; print(ensurepip.__path__[0])' 2>/dev/null) || bundled=
    for wheel in "$bundled"/_bundled/pip-*.whl /usr/share/python-wheels/pip-*.whl; do
        if [ -r "$wheel" ]; then printf '%s\n' "$wheel" && return 0; fi
    done
    if ! { command -v apt-get && command -v dpkg-deb; } >/dev/null; then return 1; fi
    say "this Python has no pip: unpacking Debian's python3-pip-whl into a folder of our own"
    apt=$tools.new/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" || return 1
    set -- -qq -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o Acquire::Languages=none
    # apt's own user for downloads may not write into a folder of ours.
    if [ "$(id -u)" = 0 ]; then set -- "$@" -o APT::Sandbox::User=root; fi
    (cd "$apt" && apt-get "$@" update && apt-get "$@" download python3-pip-whl) >&2 || return 1
    dpkg-deb -x "$apt"/*.deb "$apt/unpacked" || return 1
    find "$apt/unpacked" -name 'pip-*.whl' | head -n 1
}

# uv does not read pip's configuration, and a company's package index is often named only there.
use_index_of_pip() {
    if [ -n "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}${UV_INDEX:-}${UV_CONFIG_FILE:-}" ]; then return 0; fi
    if [ -f "${XDG_CONFIG_HOME:-${HOME:-}/.config}/uv/uv.toml" ] || [ -f /etc/uv/uv.toml ]; then return 0; fi
    index=${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null)} || index=
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
}

install() { # lock file: exactly what it names, nothing built from source (a build would fetch unlocked packages)
    "$uv" pip sync $quiet --python "$venv/bin/python" --require-hashes --only-binary :all: "$root/$1" ||
        fail "the packages of $1 could not be installed" \
            "uv's message is above. Is the package index reachable, is there room on the disk? Then run it again."
    # The repository's own packages: one line in site-packages, and metadata so that the version can be asked for.
    "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable "$root" ||
        fail "the toolkit could not be linked into .venv" "uv's message is above. Then run the same command again."
}

made_here() { # is .venv whole, and made for this very folder?
    IFS= read -r made_for 2>/dev/null <"$venv/.made-for" && [ "$made_for" = "$root" ] && "$venv/bin/python" -c ''
}

up_to_date() { # lock file: is .venv made of it?
    made_here 2>/dev/null && cmp -s "$root/$1" "$venv/.$1" && cmp -s "$root/pyproject.toml" "$venv/.pyproject.toml"
}

make_venv() { # lock file
    if made_here 2>/dev/null; then
        say "bringing .venv up to date"
    else
        say "making .venv with $("$python" --version) (under a minute)"
        rm -rf "$venv"
        "$uv" venv --quiet --python "$python" "$venv" ||
            fail ".venv could not be made in $root" "uv's message is above: free space, or mend the folder's permissions."
    fi
    # From here on it is half made, until the stamp is back.
    rm -f "$venv/.made-for" "$venv"/.requirements*.lock
    say "installing $(grep -c '==' "$root/$1") packages of $1"
    install "$1"
    cp "$root/pyproject.toml" "$venv/.pyproject.toml"
    cp "$root/requirements.lock" "$venv/.requirements.lock"
    cp "$root/$1" "$venv/.$1"
    printf '%s\n' "$root" >"$venv/.made-for"
    say ".venv is ready"
}

case ${1:-run} in
    run) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    *) fail "unknown word $1" "Say 'dev', or nothing." ;;
esac
if up_to_date "$lock"; then exit 0; fi

[ -w "$root" ] || fail "the folder $root cannot be written, and .venv belongs there" "Clone it to a place that you own."
python=$(find_python) ||
    fail "no Python 3.11 or later was found" \
        "On Debian: apt-get install python3. Or name one: CLOISTER_PYTHON=/path/to/python3 $root/deploy"
# The folder it was called from has no say: uv would obey a uv.toml there, and Python import a pip.py.
cd "$root"

# Two first runs at once must not make the same folder: the second waits, and finds the work done.
if [ -z "${CLOISTER_VENV_LOCKED:-}" ]; then
    CLOISTER_VENV_LOCKED=1 CLOISTER_PYTHON=$python \
        exec "$python" -I "$root/tools/locked.py" "$root/.venv.lock" sh "$root/tools/make-venv.sh" "$@"
fi
trap 'say "interrupted: the next run begins again with what is already downloaded"; exit 130' INT

# Trust what the system trusts: a company's own authority is there, and not in uv's own list. (Older uv: the second name.)
export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1
# uv's own bars on a terminal, these plain lines elsewhere.
if [ -t 2 ]; then quiet=; else quiet=--quiet; fi
use_index_of_pip
uv=$(find_uv) ||
    fail "uv, the installer, could not be had: it is not on PATH, and pip could not fetch it" \
        "Is the package index reachable? Without pip, on Debian: apt-get install python3-pip. Then run it again."
make_venv "$lock"
