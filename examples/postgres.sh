# Sourced by the scripts of the examples: a PostgreSQL of their own, on a unix socket alone, as durable as it comes.

# Says what is missing and ends.
missing() {
  echo "missing: $1" >&2
  exit 2
}

# start_postgres FOLDER: starts it with its files in FOLDER, and exports DATABASE_URL.
start_postgres() {
  # Debian keeps the server's programs out of the PATH.
  pg_bin=$(dirname "$(command -v initdb || ls -v /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1)")
  [ -x "$pg_bin/postgres" ] || missing "initdb and postgres (apt-get install postgresql)"
  # PostgreSQL refuses to run as root.
  as_postgres=()
  if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || missing "the user postgres (apt-get install postgresql)"
    command -v runuser >/dev/null || missing "runuser (apt-get install util-linux)"
    as_postgres=(runuser -u postgres --)
  fi
  pg_folder=$1/pg
  mkdir "$pg_folder"
  chmod 711 "$1"
  [ "$(id -u)" != 0 ] || chown postgres "$pg_folder"
  (
    cd "$pg_folder"
    "${as_postgres[@]}" "$pg_bin/initdb" --pgdata data --auth trust --username postgres --encoding UTF8 >initdb.log
    "${as_postgres[@]}" "$pg_bin/pg_ctl" --pgdata data --log server.log --wait \
      --options "-c listen_addresses='' -c unix_socket_directories='$pg_folder'" start >/dev/null
  )
  export DATABASE_URL="host=$pg_folder user=postgres dbname=postgres"
}

stop_postgres() {
  [ ! -e "${pg_folder:-}/data/postmaster.pid" ] ||
    "${as_postgres[@]}" "$pg_bin/pg_ctl" --pgdata "$pg_folder/data" --mode immediate stop >/dev/null || true
}
