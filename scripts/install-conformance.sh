#!/usr/bin/env bash
# install-conformance.sh [CACHE]: installs what `make conformance` runs, if it is
# missing. By apt-get: PHP and the drivers of Perl, Python and Java. Unpacked under
# CACHE, because installing them would start a database and a web server: Debian's
# mariadb-test and WordPress, and the tests of PHP's source package. By npm under
# CACHE: the drivers of Node, pinned. Nothing is done twice. Prints CACHE.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/sqlring-conformance}
mkdir -p "$cache"
"$here/scripts/install-servers.sh" >&2

packages=(php-cli php-mysql php-xml php-mbstring
  python3-pymysql python3-mysqldb libdbd-mysql-perl libdbd-mariadb-perl
  libmariadb-java default-jdk-headless nodejs curl libpcre2-posix3)
missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [[ $state == *" installed" ]] || missing+=("$package")
done
command -v javac >/dev/null && missing=("${missing[@]/default-jdk-headless/}")
command -v node >/dev/null && missing=("${missing[@]/nodejs/}")
read -ra missing <<<"${missing[*]}" # without the empty ones
if ! command -v npm >/dev/null && [[ ! " ${missing[*]} " == *" nodejs "* ]]; then missing+=(npm); fi
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "missing: ${missing[*]}; install them: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update >&2
  apt-get -qq install -y --no-install-recommends "${missing[@]}" >&2
fi

# unpack NAME PACKAGE… puts the files of packages into CACHE/NAME, without their scripts.
unpack() {
  local name=$1 work
  shift
  [ -d "$cache/$name" ] && return
  echo "unpacking $*" >&2
  work=$(mktemp -d "$cache/$name.XXXXXX")
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$@" >&2)
  for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/tree"; done
  mv "$work/tree" "$cache/$name"
  rm -rf "$work"
}
unpack mariadb-test mariadb-test mariadb-test-data
unpack wordpress wordpress wordpress-theme-twentytwentyone

# The tests of PHP's drivers are in its source package only. The list of source
# packages is kept apart from the system's.
if [ ! -d "$cache/php/ext/mysqli/tests" ]; then
  echo "fetching PHP's source" >&2
  work=$(mktemp -d "$cache/php.XXXXXX")
  mkdir -p "$work/lists/partial" "$work/cache"
  {
    echo "deb-src http://deb.debian.org/debian bookworm main"
    echo "deb-src http://deb.debian.org/debian-security bookworm-security main"
  } >"$work/sources.list"
  options=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
  apt-get -qq "${options[@]}" update >&2
  # The archive may have the source of the installed version no longer, or not yet:
  # then the nearest that it has.
  versions="$(dpkg-query -W -f '${source:Version}' php8.2-mysql) $(apt-cache "${options[@]}" showsrc php8.2 | awk '/^Version:/{print $2}' | sort -rV)"
  for version in $versions; do
    (cd "$work" && apt-get -qq "${options[@]}" --download-only source "php8.2=$version" >&2) && break
    rm -f "$work"/php8.2_*
  done
  mkdir "$work/php"
  tar -xf "$work"/php8.2_*.orig.tar.xz -C "$work/php" --strip-components=1 --wildcards \
    '*/run-tests.php' '*/ext/mysqli/tests' '*/ext/pdo_mysql/tests' '*/ext/pdo/tests'
  rm -rf "$cache/php"
  mv "$work/php" "$cache/php"
  rm -rf "$work"
fi

if ! cmp -s "$here/conformance/drivers/node/package-lock.json" "$cache/node/package-lock.json" || [ ! -d "$cache/node/node_modules/mysql2" ]; then
  echo "installing the drivers of Node" >&2
  mkdir -p "$cache/node"
  cp "$here/conformance/drivers/node/package.json" "$here/conformance/drivers/node/package-lock.json" "$cache/node/"
  (cd "$cache/node" && npm ci --silent --no-audit --no-fund >&2)
fi
echo "$cache"
