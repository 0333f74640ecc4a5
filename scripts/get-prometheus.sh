#!/usr/bin/env bash
# get-prometheus.sh: puts Debian's Prometheus, promtool, Alertmanager and amtool beside the
# system, unpacked and not installed (which would start services), and prints the directory, for
# SQLRING_PROMETHEUS. It is ${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/prometheus. A
# second call finds it and does nothing. No root is needed.
set -euo pipefail
dir=${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/prometheus
if ! "$dir/usr/bin/promtool" --version >/dev/null 2>&1 || [ ! -x "$dir/bin/alertmanager" ]; then
  command -v apt-get >/dev/null || { echo "get-prometheus: apt-get is missing: this needs Debian or one of its children" >&2; exit 1; }
  mkdir -p "$(dirname "$dir")"
  draft=$(mktemp -d "$dir.XXXXXX")
  trap 'rm -rf "$draft"' EXIT
  echo "get-prometheus: unpacking prometheus and prometheus-alertmanager into $dir; nothing is installed" >&2
  fetch() { (cd "$draft" && apt-get -qq -o APT::Sandbox::User=root download prometheus prometheus-alertmanager >&2); }
  fetch || { apt-get -qq update >&2 && fetch; }
  for package in "$draft"/*.deb; do dpkg-deb -x "$package" "$draft/tree"; done
  "$draft/tree/usr/bin/promtool" --version >/dev/null 2>&1 || { echo "get-prometheus: the unpacked promtool does not run" >&2; exit 1; }
  # Alertmanager reads its templates below /usr/share and knows no other place: the wrapper shows
  # them to it there, in a mount namespace of its own.
  mkdir "$draft/tree/bin"
  cat >"$draft/tree/bin/alertmanager" <<'WRAPPER'
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
if [ -e /usr/share/prometheus/alertmanager/default.tmpl ]; then exec "$here/usr/bin/prometheus-alertmanager" "$@"; fi
map=; [ "$(id -u)" -eq 0 ] || map=--map-root-user
exec unshare --mount $map sh -c 'mount -t overlay overlay -o "lowerdir=$0/usr/share:/usr/share" /usr/share && exec "$0/usr/bin/prometheus-alertmanager" "$@"' "$here" "$@"
WRAPPER
  chmod 755 "$draft/tree/bin/alertmanager"
  rm -rf "$dir"
  mv "$draft/tree" "$dir"
fi
echo "$dir"
