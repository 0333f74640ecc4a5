package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	for n, want := range map[int]string{0: "[a b c d e f g]", 1: "[a]", 3: "[a c e]", 7: "[a b c d e f g]", 9: "[a b c d e f g]"} {
		if got := fmt.Sprint(spread(names, n)); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	counts, err := parseSpread("mysqltest=300,mysqltest-ps=40")
	if err != nil || counts["mysqltest"] != 300 || counts["mysqltest-ps"] != 40 || counts["drivers"] != 0 {
		t.Errorf("%v, %v", counts, err)
	}
	for _, bad := range []string{"mysqltest", "mysqltest=0", "mysqltest=x", "nothing=1", "mysqltest=1,"} {
		if _, err := parseSpread(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// A client that can not be loaded has no result, on neither side: two of them are not
// equal. (A library was missing once, and 2 480 files were.)
func TestProgramsThatCanNotBeLoaded(t *testing.T) {
	for script, fails := range map[string]bool{"exit 0": false, "exit 1": false, "exit 62": false, "exit 127": true, "exit 126": true} {
		_, err := program{Args: []string{"/bin/sh", "-c", script}, Timeout: time.Minute}.run(t.Context())
		if (err != nil) != fails {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// The node is told that its connections churn, and what it has found then is not taken for
// what another one finds.
func TestChurnIsAnotherProxy(t *testing.T) {
	t.Setenv(envChurn, "")
	for _, churn := range []bool{false, true} {
		if got := slices.Contains(options{Churn: churn}.environment(), envChurn+"=1"); got != churn {
			t.Errorf("-churn=%v: the node is told so: %v", churn, got)
		}
	}
	quiet, churning := bench{build: "x"}, bench{build: "x", o: options{Churn: true}}
	if quiet.proxy() == churning.proxy() {
		t.Error("a run with -churn goes on where one without was")
	}
}
