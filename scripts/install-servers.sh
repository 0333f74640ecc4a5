#!/usr/bin/env bash
# Installs what the tests start or call, if it is missing: Debian's MariaDB
# server and client programs, sysbench, ip for network namespaces, libfaketime for wrong clocks, man that reads our pages; HAProxy and MySQL 9.7 are
# put beside the system (install-bench.sh, get-mysql97.sh). No service is started.
set -euo pipefail
"$(dirname "$0")/get-mysql97.sh"
"$(dirname "$0")/install-bench.sh"
missing=()
command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server-core)
command -v mariadb-dump >/dev/null || missing+=(mariadb-client)
command -v sysbench >/dev/null || missing+=(sysbench)
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing+=(libfaketime)
command -v man >/dev/null || missing+=(man-db)
command -v ip >/dev/null || [ -x /usr/sbin/ip ] || missing+=(iproute2)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "missing: ${missing[*]}; install them: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]} (no service is started)"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
