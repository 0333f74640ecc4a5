package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestJournalGoesOnAndStartsAnewWithAnotherBinary(t *testing.T) {
	dir := t.TempDir()
	open := func(binary string, fresh bool) *journal {
		t.Helper()
		j, err := openJournal(dir, "s", binary, fresh)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = j.file.Close() })
		return j
	}
	j := open("one", false)
	for _, r := range []record{{Case: "a", Verdict: equal}, {Case: "b", Verdict: differs}, {Case: "c", Verdict: broken}, {Case: "d", Verdict: notRunnable}} {
		if err := j.add(r); err != nil {
			t.Fatal(err)
		}
	}
	j = open("one", false)
	for name, want := range map[string]bool{"a": true, "b": false, "c": false, "d": true, "e": false} {
		if got := j.settled(name); got != want {
			t.Errorf("%s settled: %v, want %v", name, got, want)
		}
	}
	if j = open("two", false); len(j.done) != 0 {
		t.Errorf("another binary finds %d results", len(j.done))
	}
	if err := j.add(record{Case: "a", Verdict: equal}); err != nil {
		t.Fatal(err)
	}
	if j = open("two", true); len(j.done) != 0 {
		t.Errorf("a fresh start finds %d results", len(j.done))
	}
}

func TestSummaryCountsAndWrites(t *testing.T) {
	s := &summary{Suites: map[string]*suiteSummary{}}
	s.add("x", map[string]record{
		"a": {Suite: "x", Case: "a", Verdict: equal, Status: "exit 0"},
		"b": {Suite: "x", Case: "b", Verdict: differs, Status: "exit 0"},
		"c": {Suite: "x", Case: "c", Verdict: explained, Status: "exit 1"},
		"d": {Suite: "x", Case: "d", Verdict: notRunnable, Why: "needs more"},
		"e": {Suite: "x", Case: "e", Verdict: broken},
	}, &knownList{entries: []*knownEntry{{kind: "differs", suite: "x", name: "c", reason: "so"}}})
	got := *s.Suites["x"]
	if got.Compared != 3 || got.Equal != 1 || got.Explained != 1 || len(got.Differs) != 1 || got.Complete != 2 || got.NotRunnable != 1 || s.Unexplained != 2 {
		t.Errorf("summary is %+v, unexplained %d", got, s.Unexplained)
	}
	dir := t.TempDir()
	var out bytes.Buffer
	if err := s.write(dir, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"DIFFERS x b", "BROKEN  x e"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, out.String())
		}
	}
	for _, name := range []string{"summary.json", "summary.txt"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestCLIScriptIsTheScenario(t *testing.T) {
	script, err := cliScript("drivers/scenario.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"SELECT 1, 'a' AS b", "EXECUTE IMMEDIATE 'INSERT INTO acct VALUES (?, ?)' USING 3, 300$$", "REPEAT('x',1048576)", "x'00ff270a5c'", "USING NULL, NULL",
	} {
		if !strings.Contains(string(script), want) {
			t.Errorf("the script lacks %q", want)
		}
	}
}

func TestUnfitFilesAreTold(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"main", "include"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{
		"main/plain.test": "SELECT 1;", "main/options.test": "SELECT 1;", "main/options.opt": "--x=1", "include/restart.inc": "--source include/restart_mysqld.inc",
		"main/indirect.test": "--source include/restart.inc\n", "main/replicates.test": "CHANGE MASTER TO x=1;", "main/empty.test": "SELECT 1;", "main/empty.opt": " \n",
		"main/off.test": "SELECT 1;", "main/disabled.def": "off : MDEV-1 broken\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := testFiles(root, fileSuites)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range found {
		got[f.name] = f.why
	}
	want := map[string]string{
		"main.plain": "", "main.empty": "", "main.options": "needs server options", "main.indirect": "restarts the server",
		"main.replicates": "changes replication", "main.off": "disabled in mariadb-test",
	}
	for name, why := range want {
		if w, ok := got[name]; !ok || w != why {
			t.Errorf("%s: %q, want %q", name, w, why)
		}
	}
}
