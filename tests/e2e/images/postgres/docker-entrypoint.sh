#!/bin/sh
# The part of the official entrypoint that the chart uses: the first start creates the databases.
set -eu

case "${1:-}" in -*) set -- postgres "$@" ;; esac

user=${POSTGRES_USER:-postgres}
sockets=/var/run/postgresql
[ -w "$sockets" ] || sockets=/tmp

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=${POSTGRES_PASSWORD:-$(cat "$POSTGRES_PASSWORD_FILE")}
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  file=$(mktemp)
  printf '%s' "$password" >"$file"
  initdb --pgdata="$PGDATA" --username="$user" --pwfile="$file" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C
  rm "$file"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses='' -c unix_socket_directories=$sockets" --wait start
  export PGHOST="$sockets" PGUSER="$user"
  database=${POSTGRES_DB:-$user}
  [ "$database" = postgres ] || psql --dbname=postgres --set=ON_ERROR_STOP=1 --command="create database \"$database\""
  export PGDATABASE="$database"
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh) . "$file" ;;
      *.sql) psql --set=ON_ERROR_STOP=1 --no-psqlrc --file="$file" ;;
    esac
  done
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
fi

[ "$1" = postgres ] && set -- "$@" -c listen_addresses='*' -c unix_socket_directories="$sockets"
exec "$@"
