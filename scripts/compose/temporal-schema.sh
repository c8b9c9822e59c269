#!/bin/sh
# Makes Temporal's schema or brings it to the server's version. Changes nothing when it is there; SQL_* come from the environment.
set -eu

for schema in temporal visibility; do
  case $schema in
    temporal) database=temporal ;;
    visibility) database=temporal_visibility ;;
  esac
  temporal-sql-tool --db "$database" setup-schema -v 0.0
  temporal-sql-tool --db "$database" update-schema --schema-name "postgresql/v12/$schema"
done
