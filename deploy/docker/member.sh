#!/bin/sh
# Entry of the image `member`: makes an empty server with the accounts that a ring needs
# (docs/accounts.md), and starts it closed. DATADIR, RUNDIR, PORT, HOST and SECRET move it, for tests.
set -eu
umask 077
datadir=${DATADIR:-/var/lib/mysql}
rundir=${RUNDIR:-/run/member}
secret=${SECRET:-/run/secrets/manager_password}
[ -s "$secret" ] || { echo "member: $secret is missing or empty: write the manager's password into it" >&2; exit 1; }
case $(cat "$secret") in *[!A-Za-z0-9._-]*) echo "member: the password in $secret may have letters, digits and ._- only" >&2; exit 1 ;; esac
user=; [ "$(id -u)" -ne 0 ] || user=--user=root
if [ ! -e "$datadir/made" ]; then # what an interrupted start left is made anew: it never held data
  find "$datadir" -mindepth 1 -delete
  mariadb-install-db --no-defaults $user --datadir="$datadir" --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve >/dev/null
  od -An -tx1 -N24 /dev/urandom | tr -d ' \n' >"$datadir/root.password"
  init=$rundir/accounts.sql
  cat >"$init" <<SQL
SET SESSION sql_log_bin=0;
DELETE FROM mysql.global_priv WHERE User='' OR User='root' AND Host<>'localhost';
FLUSH PRIVILEGES;
ALTER USER root@localhost IDENTIFIED BY '$(cat "$datadir/root.password")';
CREATE USER root@'%' IDENTIFIED BY '$(cat "$datadir/root.password")';
GRANT ALL PRIVILEGES ON *.* TO root@'%' WITH GRANT OPTION;
CREATE USER sqlring@'%' IDENTIFIED BY '$(cat "$secret")';
GRANT REPLICATION SLAVE, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, BINLOG MONITOR, BINLOG ADMIN, READ_ONLY ADMIN, CONNECTION ADMIN, PROCESS, RELOAD, SUPER, SHOW DATABASES, SELECT, CREATE USER ON *.* TO sqlring@'%' WITH GRANT OPTION;
GRANT ALL PRIVILEGES ON sqlring.* TO sqlring@'%';
SHUTDOWN;
SQL
  mariadbd --no-defaults $user --datadir="$datadir" --socket="$rundir/first.sock" --skip-networking --init-file="$init"
  rm -f "$init"
  touch "$datadir/made"
fi
# sqlring wants these lines in a file: what is given on the command line may be lacking next time.
cat >"$datadir/my.cnf" <<CNF
[mariadbd]
datadir=$datadir
socket=$rundir/mysqld.sock
port=${PORT:-3306}
bind_address=${HOST:-0.0.0.0}
skip_name_resolve=1
character_set_server=utf8mb4
read_only=1
skip_slave_start=1
event_scheduler=OFF
log_bin=binlog
log_slave_updates=1
binlog_format=ROW
relay_log=relay
sync_binlog=1
innodb_flush_log_at_trx_commit=1
gtid_strict_mode=1
gtid_ignore_duplicates=1
slave_parallel_threads=0
slave_ddl_exec_mode=STRICT
innodb_autoinc_lock_mode=2
slave_net_timeout=2
max_binlog_size=64M
CNF
exec mariadbd --defaults-file="$datadir/my.cnf" $user
