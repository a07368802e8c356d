# Rendered. Runs Valkey on loopback alone; its password comes to it by no file and no command line.
set -eu
umask 0077
IFS= read -r password <'/run/credentials/cloister-langfuse-valkey.service/langfuse-valkey' || [ -n "$password" ]
exec valkey-server - <<END
bind 127.0.0.1
port 8305
dir /var/lib/cloister/data/langfuse-valkey
appendonly yes
maxmemory 768mb
maxmemory-policy noeviction
requirepass $password
END
