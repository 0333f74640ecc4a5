#!/usr/bin/env bash
# get-corpus.sh [CACHE]: puts the mysqltest files of Debian's packages mariadb-test and
# mariadb-test-data under CACHE, unpacked and not installed, and prints the directory
# that holds them, for SQLRING_CORPUS. A second call finds them and does nothing. CACHE
# is ${XDG_CACHE_HOME:-$HOME/.cache}/sqlring-conformance by default, which `make
# conformance` fills too.
set -euo pipefail
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/sqlring-conformance}
tests=$cache/mariadb-test/usr/share/mysql/mysql-test
if [ ! -d "$tests/main" ]; then
  command -v apt-get >/dev/null || { echo "get-corpus: apt-get is missing: this needs Debian or one of its children" >&2; exit 1; }
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/corpus.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "get-corpus: fetching mariadb-test and mariadb-test-data" >&2
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download mariadb-test mariadb-test-data >&2)
  for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/tree"; done
  [ -d "$work/tree/usr/share/mysql/mysql-test/main" ] || { echo "get-corpus: the packages hold no tests" >&2; exit 1; }
  rm -rf "$cache/mariadb-test"
  mv "$work/tree" "$cache/mariadb-test"
fi
echo "$tests"
