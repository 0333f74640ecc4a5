#!/usr/bin/env bash
# get-mysql97.sh [DIR]: puts the MySQL 9.7 of Debian sid beside the system, for tests.
#
# DIR is ${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/mysql-9.7 by default. Nothing is
# installed; unpack-debian.sh says how, and what is trusted. DIR/VERSION says what it is. A
# second call finds it and does nothing. No root is needed.
#
# SQLRING_MYSQL97_MIRROR, SQLRING_MYSQL97_SUITE: another mirror (default: this system's) or
# suite (sid), such as a date of snapshot.debian.org, once sid has gone on to a later MySQL.
set -euo pipefail
tool=get-mysql97
what="MySQL 9.7"
dir=${1:-${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/mysql-9.7}
suite=${SQLRING_MYSQL97_SUITE:-sid}
mirror=${SQLRING_MYSQL97_MIRROR:-}
packages="mysql-server-core mysql-client-core"
runs() { "$1/bin/mysqld" --no-defaults --version 2>/dev/null | grep -q "Ver 9\.7\."; }
. "$(dirname "$0")/unpack-debian.sh"

lock_directory
unpack_packages
for program in mysql mysqldump mysqladmin mysqlbinlog; do
  wrap "$program" "usr/bin/$program"
done
wrap mysqld usr/sbin/mysqld --basedir="$dir/usr" --plugin-dir="$dir/usr/lib/mysql/plugin" \
  --lc-messages-dir="$dir/usr/share/mysql" --character-sets-dir="$dir/usr/share/mysql/charsets"
put_in_place mysql-server-core
