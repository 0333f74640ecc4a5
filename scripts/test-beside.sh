#!/usr/bin/env bash
# test-beside.sh BINARY FLAG...: runs a package's tests for test.sh (go test -exec): beside those
# of the other test.sh the first time, and with nothing beside it if it is one test that failed:
# it waits until the other one is between two packages, and that waits meanwhile. gotestsum
# names such a test by -test.run=^TestName$, as no first run does.
set -euo pipefail
share=--shared
for flag; do
  case $flag in -test.run=^Test*\$) share=--exclusive ;; esac
done
# -o: the lock is not handed down to the servers that tests start.
exec flock $share -o "$(dirname "$0")/../bin/test.lock" "$@"
