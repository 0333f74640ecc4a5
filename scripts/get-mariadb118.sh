#!/usr/bin/env bash
# get-mariadb118.sh [DIR]: puts the MariaDB 11.8 of Debian trixie beside the system, for tests.
#
# DIR is ${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/mariadb-11.8 by default. Nothing is
# installed; unpack-debian.sh says how, and what is trusted. DIR/VERSION says what it is. A
# second call finds it and does nothing. No root is needed.
#
# SQLRING_MARIADB118_MIRROR, SQLRING_MARIADB118_SUITE: another mirror (default: this system's) or
# suite (trixie).
set -euo pipefail
tool=get-mariadb118
what="MariaDB 11.8"
dir=${1:-${SQLRING_SERVERS_DIR:-$HOME/.cache/sqlring/servers}/mariadb-11.8}
suite=${SQLRING_MARIADB118_SUITE:-trixie}
mirror=${SQLRING_MARIADB118_MIRROR:-}
packages="mariadb-server-core mariadb-client-core"
runs() { "$1/bin/mariadbd" --no-defaults --version 2>/dev/null | grep -q "Ver 11\.8\." && grep -q tmpdir "$1/bin/mariadb-install-db"; }
. "$(dirname "$0")/unpack-debian.sh"

lock_directory
unpack_packages
for program in mariadb mariadb-dump mariadb-binlog; do
  wrap "$program" "usr/bin/$program"
done
share=$dir/usr/share/mariadb
[ -d "$draft/usr/share/mariadb" ] || share=$dir/usr/share/mysql
wrap mariadbd usr/sbin/mariadbd --basedir="$dir/usr" --plugin-dir="$dir/usr/lib/mysql/plugin" \
  --lc-messages-dir="$share" --character-sets-dir="$share/charsets"

# The packages' own mariadb-install-db looks for programs of the system. This one takes the
# options that are used here: a data directory whose root@localhost has no password.
cat >"$draft/bin/mariadb-install-db" <<INSTALL
#!/bin/sh
set -e
for option; do
  case "\$option" in
    --datadir=*) data="\${option#*=}" ;;
    --tmpdir=*) temp="\${option#*=}" ;;
    --innodb-log-file-size=*) redo="\$option" ;;
  esac
done
mkdir -p "\$data"
{
  echo "CREATE DATABASE IF NOT EXISTS mysql;"
  echo "USE mysql;"
  echo "SET @auth_root_socket=NULL;"
  cd "$share"
  cat mariadb_system_tables.sql mariadb_performance_tables.sql mariadb_system_tables_data.sql maria_add_gis_sp_bootstrap.sql mariadb_sys_schema.sql
} | "$dir/bin/mariadbd" --no-defaults --bootstrap --user="\$(id -un)" --datadir="\$data" --tmpdir="\${temp:-/tmp}" \$redo \\
  --max_allowed_packet=8M --net_buffer_length=16K
INSTALL
chmod 0755 "$draft/bin/mariadb-install-db"
put_in_place mariadb-server-core
