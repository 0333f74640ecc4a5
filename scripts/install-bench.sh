#!/usr/bin/env bash
# Gets what `make bench` and its smoke test need besides the servers, if it is missing: sysbench,
# and Debian's HAProxy. HAProxy is not installed, which would start a service: its package and the
# libraries that this system lacks are unpacked into
# ${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/haproxy, with a wrapper in its bin. A haproxy
# on PATH or in /usr/sbin is used as it is. MySQL Router and ProxySQL are not in Debian 12; they
# are measured where they are installed.
set -euo pipefail
if ! command -v sysbench >/dev/null; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "missing: sysbench; install it: sudo apt-get install --no-install-recommends sysbench" >&2
    exit 1
  fi
  echo "installing sysbench" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update >&2
  apt-get -qq install -y --no-install-recommends sysbench >/dev/null
fi

dir=${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/haproxy
if command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || "$dir/bin/haproxy" -v >/dev/null 2>&1; then exit 0; fi
echo "unpacking haproxy into $dir (nothing is installed, no service is started)" >&2
mkdir -p "$(dirname "$dir")"
draft=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$draft"' EXIT
packages=(haproxy)
for package in liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 libpcre2-8-0 libsystemd0; do
  [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) == *" installed" ]] || packages+=("$package")
done
fetch() { (cd "$draft" && apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}" >&2); }
fetch || { apt-get -qq update >&2 && fetch; }
for package in "$draft"/*.deb; do dpkg-deb -x "$package" "$draft/tree"; done
rm -f "$draft"/*.deb
mkdir "$draft/bin"
cat >"$draft/bin/haproxy" <<'WRAPPER'
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
for dir in "$here"/tree/usr/lib/*-linux-gnu*; do
  [ -d "$dir" ] && export LD_LIBRARY_PATH="$dir"
done
exec "$here/tree/usr/sbin/haproxy" "$@"
WRAPPER
chmod 755 "$draft" "$draft/bin/haproxy"
"$draft/bin/haproxy" -v >/dev/null || { echo "the unpacked haproxy does not run" >&2; exit 1; }
rm -rf "$dir"
mv "$draft" "$dir"
