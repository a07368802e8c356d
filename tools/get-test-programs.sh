#!/bin/sh
# Programs of other makers that tests compare with. Installed where that is possible at once (Debian, as root, as in CI);
# elsewhere it says what is missing, and the tests that need it are skipped with the reason.
set -eu

missing=
for pair in openssl:openssl ssh-keygen:openssh-client age:age git:git sysctl:procps \
    systemd-nspawn:systemd-container mmdebstrap:mmdebstrap ip:iproute2 nft:nftables \
    amtool:prometheus-alertmanager setpriv:util-linux go:golang-go skopeo:skopeo \
    docker-registry:docker-registry pg_createcluster:postgresql redis-check-rdb:redis-tools; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing for the tests:$missing"
    apt-get -qq update
    # shellcheck disable=SC2086 # one word for each package
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y $missing >/dev/null
else
    echo "tests that need these will be skipped:$missing (on Debian: apt-get install$missing)"
fi
