#!/usr/bin/env bash
# test.sh PACKAGE... [-- FLAG...]: go test, on real servers. Two of these may run beside each
# other, as make test has it. Many tests kill and freeze things under load and then look at a
# clock, beside other packages' tests on the same cores. So what failed is run once more, with
# nothing beside it (test-beside.sh), if at most six tests did (a subtest counts), and the run
# is green if they pass. They are named at the end: each is a fault of the test or of the code
# that somebody has to find. A test that says DATA: (a write that was lost or is there twice, a
# stale read, members that stay unequal) is never given a second run; and one that was skipped
# for want of a server makes the run red.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
packages=()
while (($#)) && [[ $1 != -- ]]; do packages+=("$1"); shift; done
(($#)) && shift
mkdir -p "$root/bin"
events=$(mktemp "$root/bin/test-XXXXXX.json")
again=$(mktemp "$root/bin/again-XXXXXX.txt")
memory=
trap 'rm -rf "$events" "$again" $memory' EXIT
export SQLRING_REQUIRE_SERVERS=1
# The servers' directories are in memory, if there is plenty of it: a sync costs nothing there.
# Nothing is proved less for it. What dies is a process, not the machine, and what that has
# written is there afterwards on a disk too, synced or not; that the servers do sync is what
# `ring check` asks of their settings.
if [[ -z ${TMPDIR:-} ]] && (($(df --output=avail /dev/shm 2>/dev/null | tail -n 1 || echo 0) > 6 << 20)) &&
  (($(awk '/^MemAvailable/ { print $2 }' /proc/meminfo || echo 0) > 10 << 20)); then
  memory=$(mktemp -d /dev/shm/sr-XXXX)
  export TMPDIR=$memory GOTMPDIR=${GOTMPDIR:-/tmp} # what is built stays on the disk
fi
status=0
go tool -modfile="$root/tools/go.mod" gotestsum --format pkgname-and-test-fails \
  --jsonfile "$events" --rerun-fails=1 --rerun-fails-max-failures=6 --rerun-fails-run-root-test --rerun-fails-report "$again" \
  --packages "${packages[*]}" -- -exec "$root/scripts/test-beside.sh" "$@" 2>&1 | sed -u "s/^/${SQLRING_TEST_FLAVOUR:+$SQLRING_TEST_FLAVOUR: }/" || status=$?
if [[ -s $again ]]; then
  echo "these failed beside the others, and were run again alone:"
  cat "$again"
fi
# refuse WHAT PATTERN: if a test has printed that, say so, and be red.
refuse() {
  if grep -aq "\"Output\":\".*$2: " "$events"; then
    echo "$1:" >&2
    grep -ao "$2: [^\"]*" "$events" | sort -u >&2
    status=1
  fi
}
refuse "a test found data that is not as it should be; that is not run again" DATA
refuse "a test was skipped that needs a server" SKIPPED-NO-SERVER
exit "$status"
