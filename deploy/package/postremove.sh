#!/bin/sh
# After the files are gone. Only a purge takes this node's state and passwords with it; the
# members and their data are never touched.
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
if [ "${1:-}" = purge ]; then
  rm -rf /var/lib/sqlring /run/sqlring /etc/sqlring
  if getent passwd sqlring >/dev/null; then userdel sqlring >/dev/null 2>&1 || true; fi
  if getent group sqlring >/dev/null; then groupdel sqlring >/dev/null 2>&1 || true; fi
fi
