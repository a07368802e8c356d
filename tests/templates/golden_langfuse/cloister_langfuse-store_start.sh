# Rendered. Runs the object store on loopback alone: a bucket is a folder, an object a file.
set -eu
umask 0077
data='/var/lib/cloister/data/langfuse-store/objects'
mkdir -p "$data/langfuse"
exec versitygw --port 127.0.0.1:8306 --health /health --region us-east-1 --quiet \
    posix "$data"
