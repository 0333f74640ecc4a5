# unpack-debian.sh: for the scripts that put a server of Debian beside the system. Sourced;
# it does nothing by itself.
#
# Nothing is installed and no maintainer script runs: the packages of the server, of the
# client and of every library that they need, libc included, are unpacked into a directory,
# and wrappers in its bin start the programs with those libraries. No root is needed.
#
# What is trusted: Debian's archive key on this system. apt checks the signed index of the
# suite by it, and each package by the checksum of that index; this script checks the packages
# once more, the cached ones too, by the index's SHA256.
#
# Whoever sources it has set: tool (its name), what (of what, for people), dir, suite, mirror
# (empty: this system's), packages, and runs(), which says whether a directory holds the server.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { echo "$tool: $*" >&2; }
fail() { say "$*"; exit 1; }

# lock_directory waits for its turn to make $dir, and ends the script if that is done.
lock_directory() {
  if runs "$dir"; then
    say "$dir holds $what $(cat "$dir/VERSION") already"
    exit 0
  fi
  mkdir -p "$(dirname "$dir")"
  dir=$(cd "$(dirname "$dir")" && pwd)/$(basename "$dir")
  cache=$dir.cache
  draft=$dir.new
  exec 9>"$dir.lock"
  flock -w 900 9 || fail "another run of this script holds $dir.lock"
  if runs "$dir"; then exit 0; fi # made meanwhile by the one that held the lock
}

# unpack_packages puts the packages into $draft, and sets loader and libraries.
unpack_packages() {
  for program in apt-get dpkg dpkg-deb sha256sum; do
    command -v "$program" >/dev/null || fail "$program is missing: this needs Debian or one of its children"
  done
  [ -r "$keyring" ] || fail "$keyring is missing: install debian-archive-keyring"
  pinned=$mirror
  mirror=${mirror:-$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1 | tr -d ' ' || true)}
  mirror=${mirror:-http://deb.debian.org/debian}
  arch=$(dpkg --print-architecture)

  say "$what of Debian $suite ($arch) from $mirror into $dir; nothing is installed"
  mkdir -p "$cache/lists/partial" "$cache/archives/partial"
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$cache/sources.list"
  : >"$cache/status" # an empty system: all that is needed gets resolved
  cat >"$cache/apt.conf" <<CONF
Dir::Etc::sourcelist "$cache/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::Lists "$cache/lists";
Dir::State::status "$cache/status";
Dir::Cache "$cache";
Dir::Cache::archives "$cache/archives";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::Retries "3";
Acquire::Check-Valid-Until "$([ -n "$pinned" ] && echo false || echo true)";
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Get::AllowUnauthenticated "false";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
CONF
  export APT_CONFIG=$cache/apt.conf
  apt-get -qq update || fail "the package index of $suite could not be read or is not signed by Debian"

  # The closure of what is wanted, less what only maintainer scripts and perl tools need.
  apt-get -qq --simulate install $packages | awk '$1 == "Inst" {print $2}' |
    grep -vE '^(perl|libperl|libdb5|libgdbm|debconf|libc-gconv|install-info|dpkg|tar|galera|systemd|libdbi-perl|rsync|socat|lsof)' | sort -u >"$cache/packages"
  [ -s "$cache/packages" ] || fail "$suite has no $packages for $arch"
  (cd "$cache/archives" && xargs apt-get -qq download <"$cache/packages")

  say "checking and unpacking"
  rm -rf "$draft"
  mkdir -p "$draft"
  while read -r package; do
    apt-cache show "$package" | awk -v RS= '{f="";s="";n=split($0,l,"\n");for(i=1;i<=n;i++){if(l[i]~/^Filename: /)f=substr(l[i],11);if(l[i]~/^SHA256: /)s=substr(l[i],9)}; sub(/.*\//,"",f); print s "  " f}'
  done <"$cache/packages" | sort -u >"$cache/SHA256SUMS"
  count=0
  for file in "$cache"/archives/*.deb; do
    sum=$(sha256sum "$file" | cut -d' ' -f1)
    if ! grep -q "^$sum " "$cache/SHA256SUMS"; then
      say "$(basename "$file") is not of the present index: left out"
      continue
    fi
    dpkg-deb -x "$file" "$draft"
    count=$((count + 1))
  done
  [ "$count" -eq "$(wc -l <"$cache/packages")" ] || fail "only $count of $(wc -l <"$cache/packages") packages are whole; remove $cache and try again"

  loader=$(find "$draft" -name 'ld-linux*.so.*' -o -name 'ld64.so.*' | sort | head -1)
  [ -n "$loader" ] || fail "the packages hold no dynamic linker"
  loader=$dir${loader#"$draft"}
  triple=$(basename "$(dirname "$(find "$draft/usr/lib" -name 'libc.so.6' | head -1)")")
  libraries=$dir/usr/lib/$triple:$dir/lib/$triple:$dir/usr/lib/mysql/private
}

# wrap NAME PROGRAM [OPTION...] makes $draft/bin/NAME, which starts a program of the packages. What names
# the option file has to stay the first argument.
wrap() {
  local name=$1 program=$2
  shift 2
  [ -x "$draft/$program" ] || return 0
  mkdir -p "$draft/bin"
  cat >"$draft/bin/$name" <<WRAP
#!/bin/sh
unset LD_PRELOAD LD_LIBRARY_PATH
first=
case "\$1" in --no-defaults|--defaults-file=*|--defaults-extra-file=*|--print-defaults) first="\$1"; shift;; esac
exec "$loader" --library-path "$libraries" "$dir/$program" \$first $* "\$@"
WRAP
  chmod 0755 "$draft/bin/$name"
}

# put_in_place makes $dir of $draft; its version is that of a package.
put_in_place() {
  dpkg-deb -f "$(find "$cache/archives" -name "$1_*.deb" | sort -V | tail -1)" Version >"$draft/VERSION"
  rm -rf "$dir"
  mv "$draft" "$dir"
  runs "$dir" || fail "$dir holds $(cat "$dir/VERSION"), or does not start; wanted is $what"
  say "$what $(cat "$dir/VERSION") is in $dir"
}
