# Rendered. Makes the database at the first start, and runs it: on loopback alone, with a password for everybody.
set -eu
umask 0077
data='/var/lib/cloister/data/langfuse-postgres/database'
if [ ! -s "$data/PG_VERSION" ]; then
    # Under another name, which it keeps if it is interrupted.
    rm -rf "$data.new"
    initdb --pgdata="$data.new" --username=langfuse --pwfile='/run/credentials/cloister-langfuse-postgres.service/langfuse-postgres' \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C --data-checksums
    mv -T "$data.new" "$data"
fi
exec postgres -D "$data" -c listen_addresses=127.0.0.1 -c port=8302 \
    -c unix_socket_directories= -c timezone=UTC -c log_timezone=UTC
