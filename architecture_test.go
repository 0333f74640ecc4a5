package sqlring_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sqlring/sqlring/"

// listed is what `go list -json` says of one package.
type listed struct {
	ImportPath  string
	Name        string
	Doc         string
	Imports     []string
	Deps        []string
	Standard    bool
	GoFiles     []string
	TestImports []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var found []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found = append(found, p)
	}
}

// TestBrainIsPure: pkg/* decides and does nothing. What would let it read a
// clock, open a socket, lock, log or draw is banned, with the reason.
func TestBrainIsPure(t *testing.T) {
	banned := map[string]string{
		"context":      "the brain does not wait",
		"sync":         "the brain has no goroutines to guard against",
		"sync/atomic":  "the brain has no goroutines to guard against",
		"os":           "the brain reads no file and no environment",
		"log":          "a decision returns its Why; who acts on it logs it",
		"log/slog":     "a decision returns its Why; who acts on it logs it",
		"database/sql": "only internal/mysqld speaks to servers",
		"math/rand":    "a draw is an argument",
		"math/rand/v2": "a draw is an argument",
		"crypto/rand":  "a draw is an argument",
		"net/http":     "the brain opens no socket",
	}
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.ImportPath, module+"pkg/") {
			continue
		}
		for _, imp := range p.Imports {
			if why, bad := banned[imp]; bad {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, why)
			}
			if strings.HasPrefix(imp, module+"internal/") {
				t.Errorf("%s imports %s: pkg decides, internal does", p.ImportPath, imp)
			}
			if strings.Contains(imp, ".") && !strings.HasPrefix(imp, module) {
				t.Errorf("%s imports %s: a third-party library in the brain needs an ADR and a line here", p.ImportPath, imp)
			}
		}
	}
}

// TestBrainReadsNoClock: package net is allowed for its address functions and
// package time for its values, so the calls that act are looked for by name.
func TestBrainReadsNoClock(t *testing.T) {
	acts := []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.NewTimer", "time.NewTicker", "net.Dial", "net.Listen", "net.Lookup"}
	eachGoFile(t, "pkg", func(path string, src []byte) {
		for _, call := range acts {
			if !strings.HasSuffix(path, "_test.go") && bytes.Contains(src, []byte(call)) {
				t.Errorf("%s calls %s: now and draw are arguments in pkg/", path, call)
			}
		}
	})
}

// TestSiblings: the packages of internal/ meet through interfaces that the
// consumer declares; only the wiring and the test worlds see the others.
func TestSiblings(t *testing.T) {
	wiring := []string{"internal/app", "internal/demo", "internal/sim", "internal/mysqltest", "internal/api/apitest"}
	for _, p := range packages(t) {
		self, ok := strings.CutPrefix(p.ImportPath, module)
		if !ok || !strings.HasPrefix(self, "internal/") || slices.Contains(wiring, self) {
			continue
		}
		for _, imp := range p.Imports {
			other, ours := strings.CutPrefix(imp, module)
			if !ours || !strings.HasPrefix(other, "internal/") || (self == "internal/proxy" && other == "internal/wire") {
				continue
			}
			t.Errorf("%s imports %s: declare the interface that it needs, app plugs it in", self, other)
		}
	}
}

// TestOneDoor: a dependency that acts has one package that may use it.
func TestOneDoor(t *testing.T) {
	doors := map[string][]string{
		"github.com/hashicorp/raft":                     {"internal/store"},
		"go.etcd.io/bbolt":                              {"internal/store"},
		"github.com/go-sql-driver/mysql":                {"internal/mysqld", "internal/demo", "internal/mysqltest", "internal/burst", "conformance"},
		"github.com/go-mysql-org/go-mysql":              {"internal/mysqld"},
		"github.com/danielgtaylor/huma/v2":              {"internal/api"},
		"github.com/prometheus/client_golang":           {"internal/api"},
		"github.com/spf13/cobra":                        {"cmd/sqlring"},
		"github.com/anishathalye/porcupine":             {"internal/history"},
		"github.com/sqlring/sqlring/internal/history":   {"internal/sim"},
		"github.com/sqlring/sqlring/internal/demo":      {"cmd/sqlring", "internal/mysqltest", "conformance", "bench"},
		"github.com/sqlring/sqlring/internal/app":       {"cmd/sqlring", "internal/demo"},
		"github.com/sqlring/sqlring/internal/sim":       {},
		"github.com/sqlring/sqlring/internal/mysqltest": {},
	}
	for _, p := range packages(t) {
		self := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			for dep, allowed := range doors {
				if (imp == dep || strings.HasPrefix(imp, dep+"/")) && !slices.Contains(allowed, self) {
					t.Errorf("%s imports %s: its door is %v", self, imp, allowed)
				}
			}
		}
	}
}

// TestPackagesAreDocumented: every package says what it decides or does.
func TestPackagesAreDocumented(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// longFunctions may be longer than 70 lines; each argues itself in a comment
// where it stands.
var longFunctions = map[string]bool{}

// TestTails holds the longest function and the longest file: the tail tells good
// code from bad, not the median.
func TestTails(t *testing.T) {
	const maxFunction, maxFile = 70, 400
	for _, root := range []string{"pkg", "internal", "cmd"} {
		eachGoFile(t, root, func(path string, src []byte) {
			if strings.HasSuffix(path, "_test.go") {
				return
			}
			if n := bytes.Count(src, []byte("\n")); n > maxFile {
				t.Errorf("%s has %d lines, more than %d: is it two ideas?", path, n, maxFile)
			}
			files := token.NewFileSet()
			parsed, err := parser.ParseFile(files, path, src, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range parsed.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				lines := files.Position(fn.End()).Line - files.Position(fn.Pos()).Line + 1
				if lines > maxFunction && !longFunctions[path+":"+fn.Name.Name] {
					t.Errorf("%s: %s has %d lines, more than %d", path, fn.Name.Name, lines, maxFunction)
				}
			}
		})
	}
}

func eachGoFile(t *testing.T, root string, f func(path string, src []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		src, err := os.ReadFile(path)
		f(path, src)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
