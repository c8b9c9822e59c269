#!/bin/bash
# Runs once, when the database's volume is empty: a role each for xivo-auth and for Temporal, owner of its own databases only.
set -eu

psql -v ON_ERROR_STOP=1 -v xivo_auth_password="$XIVO_AUTH_DB_PASSWORD" -v temporal_password="$TEMPORAL_DB_PASSWORD" \
  --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE xivo_auth LOGIN PASSWORD :'xivo_auth_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE xivo_auth OWNER xivo_auth;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE xivo_auth, temporal, temporal_visibility FROM PUBLIC;
SQL
