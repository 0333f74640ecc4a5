package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"-bin", "/bin/sh", "-rounds", "5", "-clients", "1,16", "-cases", "ps_text,idle", "-idle", "100,200"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []cell{{"ps_text", 1}, {"ps_text", 16}, {"idle", 100}, {"idle", 200}}
	if got := plan(o); !slices.Equal(got, want) || o.Rounds != 5 {
		t.Errorf("plan %v of %d rounds, want %v", got, o.Rounds, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"-cases nothing":       `no case "nothing"`,
		"-peers maxscale":      `no peer "maxscale"`,
		"-rounds 0":            "at least 1",
		"-clients 1,many":      `"many" is not a number`,
		"-idle 0":              `"0" is not a number`,
		"-durability perhaps":  "async or semisync",
		"-bin /does/not/exist": "make build",
		"-rounds 2 more":       `"more" is no flag`,
	} {
		_, err := parse(append([]string{"-bin", "/bin/sh"}, strings.Fields(args)...), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestQuickIsSmall(t *testing.T) {
	o, err := parse([]string{"-bin", "/bin/sh", "-quick"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan(o)) != len(cases(o))+1 { // busy has two numbers
		t.Errorf("plan %v", plan(o))
	}
	for _, c := range plan(o) {
		if c.Clients > 64 {
			t.Errorf("%d clients of %s", c.Clients, c.Case)
		}
	}
}

// TestWhoIsLeftOut: only what makes no sense is left out.
func TestWhoIsLeftOut(t *testing.T) {
	o := standard()
	for _, c := range plan(o) {
		for _, name := range peerNames() {
			out := skips(o, c, &peer{Name: name}) != ""
			want := c.Case == "idle" && (name == direct || name != sqlring && c.Clients == 15000) ||
				c.Case == "busy" && name == direct && c.Clients == 2000
			if out != want {
				t.Errorf("%s in %v: left out %v, want %v", name, c, out, want)
			}
		}
	}
}
