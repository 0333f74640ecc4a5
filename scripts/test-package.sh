#!/usr/bin/env bash
# test-package.sh: installs dist/*.deb on this machine, runs what it holds, removes and purges it,
# and looks that nothing is left; reads the rpm. It needs root, and refuses where sqlring is
# installed already or /etc/sqlring, /var/lib/sqlring or the user exist.
set -euo pipefail
cd "$(dirname "$0")/.."
deb=$(echo dist/*.deb)
rpm=$(echo dist/*.rpm)
fail() { echo "test-package: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
[ -f "$deb" ] && [ -f "$rpm" ] || fail "there are no packages: make package"
[ "$(id -u)" -eq 0 ] || fail "this installs a package: it needs root"
command -v systemd-sysusers >/dev/null || fail "systemd is missing: systemd-sysusers makes the user"
if dpkg-query -W -f '${Status}' sqlring 2>/dev/null | grep -q installed || [ -e /etc/sqlring ] || [ -e /var/lib/sqlring ] || getent passwd sqlring >/dev/null; then
  fail "sqlring is on this machine: this would remove it"
fi
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
work=$(mktemp -d)
node=
finish() {
  if [ -n "$node" ]; then kill "$node" 2>/dev/null || true; fi
  if dpkg-query -W sqlring >/dev/null 2>&1; then dpkg --purge sqlring >/dev/null 2>&1 || true; fi
  rm -rf "$work"
}
trap finish EXIT
# What a package may change, less what dpkg and its triggers keep for themselves.
inventory() {
  find /etc /usr /var /run -xdev \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/tmp \) -prune -o -print 2>/dev/null |
    grep -vE '^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|^/etc/\.pwd\.lock$' | sort
}
inventory >"$work/before"
getent passwd | sort >"$work/users-before"
getent group | sort >"$work/groups-before"

dpkg -i "$deb" >"$work/install.log" 2>&1 || fail "dpkg -i: $(cat "$work/install.log")"
ok "dpkg -i"
# The deb writes 0.1.0-dev.7 as 0.1.0~dev.7, which dpkg sorts before 0.1.0.
named=$(dpkg-query -W -f '${Version}' sqlring | tr '~' '-')
[ "$(sqlring version | cut -d' ' -f2)" = "$named" ] || fail "the program says $(sqlring version || true), its package is $named"
ok "$(sqlring version)"
[ "$(stat -c '%U %a' /etc/sqlring/sqlring.yaml)" = "root 644" ] || fail "the sample file: $(stat -c '%U %a' /etc/sqlring/sqlring.yaml)"
dpkg-query -W -f '${Conffiles}' sqlring | grep -q /etc/sqlring/sqlring.yaml || fail "the sample file is no conffile"
ok "/etc/sqlring/sqlring.yaml is a conffile"
getent passwd sqlring | grep -q '/var/lib/sqlring:.*nologin$' || fail "the user: $(getent passwd sqlring || echo none)"
ok "the user sqlring, without a shell"
# The unit names the program that is installed now, so that systemd can judge it.
complaints=$(systemd-analyze verify /usr/lib/systemd/system/sqlring.service 2>&1 | grep -i sqlring || true)
[ -z "$complaints" ] || fail "systemd-analyze verify: $complaints"
exposure=$(systemd-analyze security --offline=true /usr/lib/systemd/system/sqlring.service 2>/dev/null | grep -o 'exposure level.*: [0-9.]*' | grep -o '[0-9.]*$')
awk -v e="$exposure" 'BEGIN { exit !(e < 2.0) }' || fail "systemd-analyze security: exposure $exposure, want less than 2"
ok "the unit is valid; exposure $exposure of 10"
if command -v man >/dev/null; then
  man -E UTF-8 -l /usr/share/man/man1/sqlring-status.1.gz >"$work/man" 2>&1 && grep -q 'sqlring status' "$work/man" || fail "the manual page does not render: $(cat "$work/man")"
fi
ok "$(find /usr/share/man/man1 -name 'sqlring*' | wc -l) manual pages"
for shell in bash zsh fish; do
  case $shell in bash) file=/usr/share/bash-completion/completions/sqlring ;; zsh) file=/usr/share/zsh/vendor-completions/_sqlring ;; fish) file=/usr/share/fish/vendor_completions.d/sqlring.fish ;; esac
  [ -s "$file" ] || fail "$file is missing"
  if command -v $shell >/dev/null; then $shell -n "$file" || fail "$shell can not read $file"; fi
done
ok "completion for bash, zsh and fish"

# The node runs from the sample file, as the unit would start it.
install -o sqlring -g sqlring -m 0600 /dev/null /etc/sqlring/manager.password
echo 'a long password' >/etc/sqlring/manager.password
install -d -o sqlring -g sqlring -m 0700 /var/lib/sqlring
install -d -o sqlring -g sqlring -m 0755 /run/sqlring
runuser -u sqlring -- sqlring config check /etc/sqlring/sqlring.yaml >/dev/null 2>"$work/check.log" || fail "config check: $(cat "$work/check.log")"
python=$(command -v python3 || true)
if [ -n "$python" ]; then # a service manager that waits for READY=1
  "$python" - "$work/notify" "$work/notified" <<'PY' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); s.settimeout(60)
with open(sys.argv[2], "w") as f:
    for _ in range(2):
        f.write(s.recv(100).decode() + "\n"); f.flush()
PY
  chmod 755 "$work"
  for _ in $(seq 50); do [ -S "$work/notify" ] && break; sleep 0.1; done
fi
NOTIFY_SOCKET=${python:+$work/notify} setpriv --reuid sqlring --regid sqlring --clear-groups sqlring serve --config /etc/sqlring/sqlring.yaml 2>"$work/node.log" &
node=$!
for _ in $(seq 100); do sqlring --api unix:/run/sqlring/api.sock version >/dev/null 2>&1 && [ -S /run/sqlring/api.sock ] && break; sleep 0.1; done
[ "$(stat -c '%U %a' /run/sqlring/api.sock 2>/dev/null)" = "sqlring 600" ] || fail "the API's socket: $(ls -l /run/sqlring; tail -3 "$work/node.log")"
code=0
sqlring --api unix:/run/sqlring/api.sock status >"$work/status" 2>&1 || code=$?
[ "$code" -eq 2 ] && grep -q 'ring init' "$work/status" || fail "status of a node without a ring, exit $code: $(cat "$work/status")"
kill -TERM "$node"
code=0
wait "$node" || code=$?
node=
[ "$code" -eq 0 ] || fail "SIGTERM: exit $code: $(tail -3 "$work/node.log")"
if [ -n "$python" ]; then
  sleep 0.3
  [ "$(tr '\n' ' ' <"$work/notified")" = "READY=1 STOPPING=1 " ] || fail "the service manager was told: $(cat "$work/notified")"
  ok "READY=1 and STOPPING=1 were told"
fi
ok "the node runs as sqlring from the sample file, and ends at SIGTERM"

echo '# changed by the DBA' >>/etc/sqlring/sqlring.yaml
dpkg -i "$deb" >"$work/again.log" 2>&1 </dev/null || fail "dpkg -i over itself: $(cat "$work/again.log")"
grep -q 'changed by the DBA' /etc/sqlring/sqlring.yaml || fail "an update overwrote the DBA's file"
ok "an update keeps the DBA's file"
dpkg -r sqlring >"$work/remove.log" 2>&1 || fail "dpkg -r: $(cat "$work/remove.log")"
[ ! -e /usr/bin/sqlring ] && [ -e /etc/sqlring/sqlring.yaml ] && [ -d /var/lib/sqlring/raft ] || fail "dpkg -r: the program must go, the file and the state stay"
ok "dpkg -r keeps the file and the state"
dpkg -P sqlring >"$work/purge.log" 2>&1 || fail "dpkg -P: $(cat "$work/purge.log")"
inventory >"$work/after"
diff "$work/before" "$work/after" >"$work/left" || fail "a purge leaves: $(cat "$work/left")"
getent passwd | sort | diff "$work/users-before" - || fail "a purge leaves a user"
getent group | sort | diff "$work/groups-before" - || fail "a purge leaves a group"
ok "a purge leaves nothing"

if ! command -v rpm >/dev/null; then apt-get -qq update && apt-get -qq install -y --no-install-recommends rpm >/dev/null; fi
rpm -K --nosignature "$rpm" >/dev/null || fail "rpm -K: the digests are wrong"
mkdir -p "$work/rpmroot"
rpm --root "$work/rpmroot" --nosignature --nodeps --noscripts -i "$rpm" || fail "rpm -i"
[ "$("$work/rpmroot/usr/bin/sqlring" version | cut -d' ' -f2)" = "$named" ] || fail "the program of the rpm does not say $named"
rpm --root "$work/rpmroot" -qc sqlring | grep -q '^/etc/sqlring/sqlring.yaml$' || fail "the sample file is no config of the rpm"
rpm --root "$work/rpmroot" --noscripts -e sqlring || fail "rpm -e"
left=$(find "$work/rpmroot/usr" "$work/rpmroot/etc" -type f 2>/dev/null || true)
[ -z "$left" ] || fail "rpm -e leaves: $left"
ok "the rpm installs into a root of its own, runs, and is removed (its scripts were not run: this is no rpm system)"
