package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every command has a page, and man(1), which scripts/install-servers.sh installs, reads
// each without a complaint.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if code := run([]string{"manual", dir}, streams{in: strings.NewReader(""), out: &out, err: &out}); code != 0 {
		t.Fatalf("exit code %d: %s", code, out.String())
	}
	for _, name := range []string{"sqlring", "sqlring-serve", "sqlring-status", "sqlring-ring-init", "sqlring-autoinc-show"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, section := range []string{".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH EXIT STATUS", ".SH SEE ALSO"} {
			if !strings.Contains(string(text), section) {
				t.Errorf("%s has no %s", name, section)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "sqlring-manual.1")); err == nil {
		t.Error("a hidden command has a page")
	}
	man, err := exec.LookPath("man")
	switch {
	case err != nil && os.Getenv("SQLRING_REQUIRE_SERVERS") == "1":
		t.Fatalf("no man(1) to read them, and SQLRING_REQUIRE_SERVERS=1 asks for it: %v", err)
	case err != nil:
		t.Skipf("SKIPPED-NO-SERVER: no man(1) to read them: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	for _, file := range files {
		cmd := exec.CommandContext(t.Context(), man, "--warnings", "-E", "UTF-8", "-l", file)
		cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8", "MANROFFOPT=")
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		if err := cmd.Run(); err != nil || complaint.Len() > 0 {
			t.Errorf("%s: %v %s", filepath.Base(file), err, complaint.String())
		}
	}
}

func TestRoffShowsTextAsItIs(t *testing.T) {
	for text, want := range map[string]string{
		`a\b`: `a\eb`, "--api": `\-\-api`, ".x": `\&.x`, "it's": `it\(aqs`,
	} {
		if got := roff(text); got != want {
			t.Errorf("roff(%q) = %q, want %q", text, got, want)
		}
	}
}
