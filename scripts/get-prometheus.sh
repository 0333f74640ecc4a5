#!/usr/bin/env bash
# get-prometheus.sh: puts Debian's Prometheus, promtool, Alertmanager and amtool beside the
# system, unpacked and not installed (which would start services), and prints the directory, for
# SQLRING_PROMETHEUS. It is ${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/prometheus. A
# second call finds it and does nothing. No root is needed.
set -euo pipefail
dir=${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/prometheus
if ! "$dir/usr/bin/promtool" --version >/dev/null 2>&1; then
  command -v apt-get >/dev/null || { echo "get-prometheus: apt-get is missing: this needs Debian or one of its children" >&2; exit 1; }
  mkdir -p "$(dirname "$dir")"
  draft=$(mktemp -d "$dir.XXXXXX")
  trap 'rm -rf "$draft"' EXIT
  echo "get-prometheus: unpacking prometheus and prometheus-alertmanager into $dir; nothing is installed" >&2
  fetch() { (cd "$draft" && apt-get -qq -o APT::Sandbox::User=root download prometheus prometheus-alertmanager >&2); }
  fetch || { apt-get -qq update >&2 && fetch; }
  for package in "$draft"/*.deb; do dpkg-deb -x "$package" "$draft/tree"; done
  "$draft/tree/usr/bin/promtool" --version >/dev/null 2>&1 || { echo "get-prometheus: the unpacked promtool does not run" >&2; exit 1; }
  rm -rf "$dir"
  mv "$draft/tree" "$dir"
fi
echo "$dir"
