#!/bin/sh
# Makes the cluster where there is none, then role and database; gives the role the password of the mounted secret, at each
# start, because a restored cluster may come from another host; then runs the command.
#   PROSE_SHIP_DATABASE, PROSE_SHIP_ROLE   their names
set -eu
umask 077

data=${PGDATA:?}
database=${PROSE_SHIP_DATABASE:?}
role=${PROSE_SHIP_ROLE:?}
PROSE_SHIP_PASSWORD_FILE=${PROSE_SHIP_PASSWORD_FILE:-/run/secrets/postgresql_secret}
export PROSE_SHIP_PASSWORD_FILE

fail() {
    echo "entrypoint: $1" >&2
    exit 1
}

[ -s "$PROSE_SHIP_PASSWORD_FILE" ] || fail "the password is missing: $PROSE_SHIP_PASSWORD_FILE"

if [ ! -s "$data/PG_VERSION" ]; then
    # Another version's cluster is no reason to begin with an empty one.
    found=$(find "${data%/*/*}" -mindepth 3 -maxdepth 3 -name PG_VERSION -not -path '*.new/*')
    [ -z "$found" ] || fail "$found is of another version than $(postgres --version); dump it with that one first"
    # What a power cut left half made.
    rm -rf "$data.new"
    mkdir -p "${data%/*}"
    initdb --pgdata="$data.new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --auth-local=peer --auth-host=scram-sha-256 >/dev/null ||
        fail "cannot make a cluster in $data.new"
    mv -T "$data.new" "$data"
    echo "entrypoint: made a cluster in $data"
fi

# Nobody but that role comes from outside, and it to its own database alone; `docker exec` is the superuser.
cat >"$data/pg_hba.conf" <<HBA
local all postgres peer
host "$database" "$role" samenet scram-sha-256
HBA

# A socket for this script alone. No statement that fails is logged: one has the password.
pg_ctl start --wait --silent --pgdata="$data" --options="--listen_addresses='' --log_min_error_statement=panic" || fail "the cluster in $data does not start"
psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --set=role="$role" --set=database="$database" --dbname=postgres <<'SQL' || fail 'cannot make role and database'
\set password `cat "$PROSE_SHIP_PASSWORD_FILE"`
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'role') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
SQL
pg_ctl stop --wait --silent --mode=fast --pgdata="$data" || fail "the cluster in $data does not stop"

exec "$@"
