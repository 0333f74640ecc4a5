package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// hint finds "sqlring" as a word of a text, with what follows it up to where a sentence or a
// code span ends.
var hint = regexp.MustCompile("(?:^|[\\s(`'\":])sqlring ([^;:,()`'\"\n]*)")

// saysOfItself are words that follow the program's name where a text tells of it.
var saysOfItself = strings.Fields("and are asks before can decoy\x00 ended had has is itself knows makes needs node? on proxy reaches sees sets shows so state takes until")

// Every command that a message names exists, with the flags that it gives.
func TestMessagesNameCommandsThatExist(t *testing.T) {
	root := newRoot(streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
	checked := 0
	for _, dir := range []string{"../../pkg", "../../internal", "."} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for at, text := range literals(t, path) {
				for _, found := range hint.FindAllStringSubmatch(text, -1) {
					if is, wrong := unknownCommand(root, strings.Fields(found[1])); wrong != "" {
						t.Errorf("%s: %q: %s", at, strings.TrimSpace(found[0]), wrong)
					} else if is {
						checked++
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if checked < 100 {
		t.Errorf("only %d commands were found in the texts", checked)
	}
}

// literals returns the strings of a file by where they stand.
func literals(t *testing.T, path string) map[string]string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				texts[set.Position(lit.Pos()).String()] = text
			}
		}
		return true
	})
	return texts
}

// unknownCommand reports whether words, which follow the program's name, are a command, and
// what is wrong with it, "" if nothing.
func unknownCommand(root *cobra.Command, words []string) (is bool, wrong string) {
	if len(words) == 0 || strings.HasPrefix(words[0], "%") || strings.HasPrefix(words[0], "-") || slices.Contains(saysOfItself, words[0]) {
		return false, ""
	}
	cmd := root
	for len(words) > 0 {
		i := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool {
			return c.Name() == strings.TrimRight(words[0], ".") || c.HasAlias(words[0])
		})
		if i < 0 {
			break
		}
		cmd, words = cmd.Commands()[i], words[1:]
	}
	if cmd == root {
		return true, fmt.Sprintf("there is no command %q; if that is none, it belongs to saysOfItself", words[0])
	}
	if cmd.HasSubCommands() && len(words) > 0 && !strings.HasPrefix(words[0], "-") && !slices.Contains(saysOfItself, words[0]) {
		return true, fmt.Sprintf("%s has no command %q", cmd.CommandPath(), words[0])
	}
	for _, word := range words {
		name, _, _ := strings.Cut(strings.Trim(word, "[]."), "=")
		if long, ok := strings.CutPrefix(name, "--"); ok && flag(cmd, long) == nil && long != "" {
			return true, fmt.Sprintf("%s has no flag --%s", cmd.CommandPath(), long)
		}
	}
	return true, ""
}

func flag(cmd *cobra.Command, name string) *pflag.Flag {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	return cmd.InheritedFlags().Lookup(name)
}
