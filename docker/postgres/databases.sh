#!/bin/sh
# Makes a role and a database for each service, when the cluster is made. Run by Postgres's
# image, with the passwords of config/postgres.env.
set -eu

sql() { psql -q -X -v ON_ERROR_STOP=1 --username postgres "$@"; }

# database ROLE PASSWORD LOCALE
database() {
    sql -v role="$1" -v password="$2" -v locale="$3" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"role" TEMPLATE template0 ENCODING 'UTF8' LOCALE :'locale';
REVOKE ALL ON DATABASE :"role" FROM PUBLIC;
GRANT ALL ON DATABASE :"role" TO :"role";
SQL
    sql --dbname "$1" -v role="$1" <<'SQL'
GRANT USAGE, CREATE ON SCHEMA public TO :"role";
SQL
}

# Synapse refuses any other collation. Nobody owns more than what they make.
database synapse "$SYNAPSE_PASSWORD" C
database meta "$META_PASSWORD" C
database tributary "$TRIBUTARY_PASSWORD" C.UTF-8
