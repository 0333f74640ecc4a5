#!/usr/bin/env bash
# fuzz.sh TIME [PATTERN]: runs every fuzz target of the project for TIME, one after the
# other, or those whose name matches PATTERN (a regular expression). A target that
# fails does not keep the others from being run; they are named at the end, and their
# inputs are under the package's testdata/fuzz. What the fuzzer has found to be worth
# trying is in Go's build cache, and is where the next run begins.
set -euo pipefail
time=${1:-1m}
pattern=${2:-.}
targets=$(grep -roHE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed 's|/[^/]*_test.go:func | |' | sort -u)
count=0
failed=()
while read -r dir target; do
  [[ $target =~ $pattern ]] || continue
  count=$((count + 1))
  echo "== $dir $target"
  go test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$time" </dev/null || failed+=("$dir $target")
done <<<"$targets"
if ((count == 0)); then
  echo "no fuzz target matches $pattern" >&2
  exit 1
fi
echo "$count targets for $time each, ${#failed[@]} failed"
for target in "${failed[@]}"; do echo "FAILED $target" >&2; done
((${#failed[@]} == 0))
