# A PostgreSQL of the tests' own: temporary folder, free port, an unprivileged user, gone afterwards.
# shellcheck shell=bash

postgres_data=
postgres_as=()

# The folder that holds initdb and pg_ctl: the newest that Debian's packages installed, else the search path's.
postgres_programs() {
    local programs
    programs=$(find /usr/lib/postgresql -maxdepth 3 -name initdb -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    [ -n "$programs" ] || programs=$(command -v initdb) || return 0
    dirname "$programs"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null ||
        node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# postgres_start FOLDER: starts one under FOLDER and exports LOCKSTEP_TEST_POSTGRES.
postgres_start() {
    [ -z "${LOCKSTEP_TEST_POSTGRES:-}" ] || { echo "using LOCKSTEP_TEST_POSTGRES"; return 0; }
    local programs data="$1/postgres" port password
    programs=$(postgres_programs)
    [ -n "$programs" ] || { echo "no PostgreSQL server programs here"; return 1; }
    # PostgreSQL refuses to run as root; Debian's package brings a user for it.
    [ "$(id -u)" -ne 0 ] || postgres_as=(setpriv --reuid=postgres --regid=postgres --init-groups)
    port=$(free_port) || return 1
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    mkdir "$data" && printf '%s' "$password" >"$data.password" || return 1
    [ ${#postgres_as[@]} -eq 0 ] || chown postgres "$data" "$data.password" || return 1
    "${postgres_as[@]}" "$programs/initdb" --pgdata="$data" --username=lockstep --auth=scram-sha-256 \
        --pwfile="$data.password" --encoding=UTF8 --locale=C --no-sync >"$1/initdb.log" 2>&1 ||
        { cat "$1/initdb.log"; return 1; }
    # The data is thrown away, so it need not survive a power cut: fsync off makes the tests several times faster.
    "${postgres_as[@]}" "$programs/pg_ctl" --pgdata="$data" --log="$data/log.txt" --wait --timeout=60 --silent \
        --options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c fsync=off -c max_connections=200" \
        start || { cat "$data/log.txt"; return 1; }
    postgres_data=$data
    export LOCKSTEP_TEST_POSTGRES="postgres://lockstep:$password@127.0.0.1:$port/postgres"
    echo "PostgreSQL $("$programs/postgres" --version | awk '{print $3}') listens on 127.0.0.1:$port"
}

postgres_stop() {
    [ -n "$postgres_data" ] || return 0
    "${postgres_as[@]}" "$(postgres_programs)/pg_ctl" --pgdata="$postgres_data" --mode=immediate --silent stop >/dev/null 2>&1
    postgres_data=
    unset LOCKSTEP_TEST_POSTGRES
}
