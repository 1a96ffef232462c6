# Sourced by the other scripts: installs what is missing, by Debian package name.
# shellcheck shell=bash

# as_root COMMAND...: runs it as root, directly or by sudo; says what is missing otherwise.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "needs root to run: $*" >&2
        return 1
    fi
}

# need_packages PACKAGE...: installs those that dpkg does not know as installed.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return 0
    echo "installing ${missing[*]}" >&2
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null; then
        as_root apt-get update >/dev/null
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

# need_build_tools: a C compiler for the crates that bring C (SQLite, mimalloc, ring), and cargo.
need_build_tools() {
    if ! command -v cargo >/dev/null; then
        [ -x "$HOME/.cargo/bin/cargo" ] && PATH="$HOME/.cargo/bin:$PATH"
    fi
    command -v cargo >/dev/null || {
        echo "no Rust toolchain: install rustup, then run this again" >&2
        return 1
    }
    command -v cc >/dev/null || need_packages build-essential
}

# need_time_zones: what days and months of tenants are read from; without it they begin as in UTC.
need_time_zones() {
    [ -e /usr/share/zoneinfo/Europe/Berlin ] || need_packages tzdata
}
