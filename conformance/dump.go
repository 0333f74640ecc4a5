package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// dumps are ways to dump the database; restore reads a dump back.
var dumps = map[string][]string{ //nolint:gochecknoglobals // a table
	"dump-all":                {"--routines", "--triggers", "--events", "--hex-blob", "--databases", "everything"},
	"dump-single-transaction": {"--single-transaction", "--routines", "--events", "everything"},
	"dump-locked":             {"--lock-all-tables", "--flush-privileges", "--databases", "everything", "mtr"},
	"dump-rows":               {"--skip-extended-insert", "--complete-insert", "--order-by-primary", "everything"},
	"dump-xml":                {"--xml", "everything"},
	"dump-system":             {"--system=users"},
}

// dump loads a database with one of everything, dumps it in several ways, and
// restores it; the other tools of the client package follow.
func (b *bench) dump(ctx context.Context) error {
	names := []string{"dump-all", "dump-single-transaction", "dump-locked", "dump-rows", "dump-xml", "dump-system", "restore", "tab-import", "tools"}
	return b.each(ctx, names, b.readyForLarge, func(name string) client {
		return func(ctx context.Context, e endpoint) (outcome, error) {
			t := &toolRun{ctx: ctx, e: e, last: outcome{Status: "exit 0"}}
			text, err := os.ReadFile(filepath.Join(b.o.Source, "drivers", "everything.sql"))
			if err != nil {
				return outcome{}, err
			}
			t.run(string(text), "mariadb", "--default-character-set=utf8mb4")
			switch name {
			case "restore":
				t.restore()
			case "tab-import":
				t.tabImport()
			case "tools":
				t.tools()
			default:
				t.run("", "mariadb-dump", append([]string{"--skip-dump-date", "--default-character-set=utf8mb4"}, dumps[name]...)...)
			}
			return outcome{Output: t.output, Status: t.last.Status}, t.err
		}
	})
}

// toolRun runs the tools of the client package one after the other.
type toolRun struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one case
	e      endpoint
	output []byte
	last   outcome
	err    error
}

// run runs a tool with an input, and keeps what it prints.
func (t *toolRun) run(input, tool string, args ...string) []byte {
	if t.err != nil {
		return nil
	}
	p := program{
		Args: append([]string{
			tool, "--no-defaults", "--user=" + appUser, "--password=" + appPassword,
			"--host=" + loopback, "--port=" + strconv.Itoa(t.e.Port),
		}, args...),
		Dir: t.e.Temp(), Stdin: []byte(input), Timeout: time.Minute,
	}
	t.last, t.err = p.run(t.ctx)
	t.output = fmt.Appendf(t.output, "\n== %s %s: %s\n%s", tool, strings.Join(args, " "), t.last.Status, t.last.Output)
	return t.last.Output
}

const checksums = "CHECKSUM TABLE everything.kinds, everything.parent, everything.child, everything.parts, everything.aria, everything.isam, everything.log, everything.shown"

// restore dumps, drops, restores, and dumps again: the dumps have to be equal.
func (t *toolRun) restore() {
	args := []string{"--skip-dump-date", "--default-character-set=utf8mb4", "--routines", "--triggers", "--events", "--databases", "everything"}
	t.run(checksums, "mariadb")
	first := t.run("", "mariadb-dump", args...)
	t.run("DROP DATABASE everything", "mariadb")
	t.run(string(first), "mariadb", "--default-character-set=utf8mb4")
	second := t.run("", "mariadb-dump", args...)
	t.run(checksums, "mariadb")
	t.output = fmt.Appendf(t.output, "\nthe dump after the restore is the same: %v\n", string(first) == string(second))
}

// tabImport writes the tables as files and loads them again, from the client.
func (t *toolRun) tabImport() {
	dir := filepath.Join(t.e.Temp(), "tab")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.err = err
		return
	}
	t.run("", "mariadb-dump", "--skip-dump-date", "--tab="+dir, "everything", "parent", "parts", "aria")
	t.run("DELETE FROM everything.parts; DELETE FROM everything.aria", "mariadb")
	for _, table := range []string{"parts", "aria"} {
		t.run("", "mariadb-import", "--local", "--verbose", "everything", filepath.Join(dir, table+".txt"))
		text, err := os.ReadFile(filepath.Join(dir, table+".txt"))
		if err != nil && t.err == nil {
			t.err = err
		}
		t.output = append(t.output, text...)
	}
	big := filepath.Join(dir, "log.txt") // 20 MB, streamed by the client
	if err := os.WriteFile(big, []byte(strings.Repeat("\\N\t"+strings.Repeat("b", 90)+"\n", 215000)), 0o666); err != nil {
		t.err = err
		return
	}
	t.run("", "mariadb-import", "--local", "--replace", "--columns=at,what", "everything", big)
	t.run("SELECT * FROM everything.parts ORDER BY id; SELECT * FROM everything.aria; SELECT COUNT(*) FROM everything.log", "mariadb")
	_ = os.RemoveAll(dir)
}

// tools runs the smaller tools.
func (t *toolRun) tools() {
	t.run("", "mariadb-check", "everything")
	t.run("", "mariadb-check", "--analyze", "everything")
	t.run("", "mariadb-check", "--optimize", "everything", "aria")
	t.run("", "mariadb-show", "everything")
	t.run("", "mariadb-show", "everything", "kinds")
	t.run("", "mariadb-admin", "ping")
	t.run("", "mariadb-admin", "create", "made")
	t.run("", "mariadb-admin", "--force", "drop", "made")
	t.run("", "mariadb-slap", "--concurrency=4", "--number-of-queries=200", "--query=SELECT COUNT(*) FROM everything.kinds", "--create-schema=everything", "--no-drop", "--silent")
	t.run("SELECT 1;\n\\s\nSELECT 2;\n\\u everything\nSHOW TABLES;\n\\C latin1\nSELECT @@character_set_client;\n\\q\n", "mariadb", "--force", "--silent")
}
