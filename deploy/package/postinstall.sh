#!/bin/sh
# After the files are there: the user, and the unit is made known. Nothing is started: the
# node's file has to be written first (docs/install.md).
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
  systemd-sysusers sqlring.conf
elif ! getent passwd sqlring >/dev/null; then
  useradd --system --user-group --no-create-home --home-dir /var/lib/sqlring --shell /usr/sbin/nologin sqlring
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
  # An update of a node that runs takes effect when the DBA restarts it: a restart drains clients.
fi
