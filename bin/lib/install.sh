# What the tests need on the machine: found, or installed from Debian's packages, cargo, npm and pip.
# shellcheck shell=bash

missing_packages=()
cargo_deny_version=0.20.2
deny_found() { [ "$(cargo deny --version 2>/dev/null)" = "cargo-deny $cargo_deny_version" ]; }

# need_command COMMAND PACKAGE...
need_command() {
    command -v "$1" >/dev/null || missing_packages+=("${@:2}")
}
need_cargo() {
    command -v cargo >/dev/null || {
        echo "bin/test: no cargo here: install the Rust toolchain with rustup first" >&2
        exit 1
    }
}
need_node() {
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null || {
        echo "bin/test: Node.js 20.19 or newer is needed" >&2
        exit 1
    }
}
need_postgres() {
    [ -n "${LOCKSTEP_TEST_POSTGRES:-}" ] || [ -n "$(postgres_programs)" ] || missing_packages+=(postgresql)
}
need_chromium() { need_command chromium chromium; }
need_python() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing_packages+=(python3 python3-venv)
}

install_packages() {
    [ ${#missing_packages[@]} -gt 0 ] || return 0
    if [ -n "${LOCKSTEP_NO_INSTALL:-}" ] || ! command -v apt-get >/dev/null; then
        echo "bin/test: install these first: ${missing_packages[*]}" >&2
        return 1
    fi
    step "install ${missing_packages[*]}" apt_install
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then DEBIAN_FRONTEND=noninteractive "$@"; else sudo DEBIAN_FRONTEND=noninteractive "$@"; fi
}
apt_install() {
    as_root apt-get update -q || return 1
    case " ${missing_packages[*]} " in
    *" postgresql "*)
        # Its package would start a server of its own on the usual port; the tests bring theirs.
        as_root apt-get install -q -y --no-install-recommends postgresql-common &&
            as_root sed -i 's/^#\?\s*create_main_cluster.*/create_main_cluster = false/' \
                /etc/postgresql-common/createcluster.conf || return 1
        ;;
    esac
    as_root apt-get install -q -y --no-install-recommends "${missing_packages[@]}"
}

install_cargo_deny() {
    # Not into the target folder: it would stay there as a second, optimised build of a hundred crates.
    deny_found || env -u CARGO_TARGET_DIR cargo install --locked --version "$cargo_deny_version" cargo-deny
}

install_python_venv() {
    local folder="$root/$1"
    [ -x "$folder/.venv/bin/python" ] || python3 -m venv "$folder/.venv" || return 1
    "$folder/.venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$folder/requirements.txt"
}
