#!/bin/sh
# Before the files go: the node is drained and stopped; not on an update (deb: "upgrade",
# rpm: 1), where the old process goes on until it is restarted.
set -e
case "${1:-}" in
  remove | 0)
    if [ -d /run/systemd/system ]; then systemctl disable --now sqlring.service >/dev/null 2>&1 || true; fi
    ;;
esac
