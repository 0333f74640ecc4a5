#!/bin/sh
# Entry of the image `node`: the secret becomes a file that only this user reads.
set -eu
umask 077
cat "${SECRET:-/run/secrets/manager_password}" >/var/lib/sqlring/manager.password
exec sqlring serve --config /etc/sqlring/sqlring.yaml
