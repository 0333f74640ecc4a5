package main

import (
	"testing"
)

func TestCompareMasksWhatAlsoDiffersDirectly(t *testing.T) {
	lines := func(texts ...string) [][]byte {
		var b [][]byte
		for _, s := range texts {
			b = append(b, []byte(s))
		}
		return b
	}
	cases := []struct {
		name            string
		directs, proxys [][]byte
		want            verdict
	}{
		{"same", lines("a\nb", "a\nb"), lines("a\nb", "a\nb"), equal},
		{"proxy differs", lines("a\nb", "a\nb"), lines("a\nc", "a\nc"), differs},
		{"proxy differs once", lines("a\nb", "a\nb"), lines("a\nc", "a\nb"), equal},
		{"a time that varies", lines("a\n1\nb", "a\n2\nb"), lines("a\n3\nb", "a\n4\nb"), equal},
		{"a time that varies, and a difference", lines("a\n1\nb", "a\n2\nb"), lines("a\n3\nX", "a\n4\nX"), differs},
		{"direct runs of other lengths", lines("a\n1", "a"), lines("b", "c"), unsteady},
		{"the proxy's is one of the server's", lines("a\n1", "a"), lines("x", "a"), equal},
		{"a line less", lines("a\n1", "a\n2"), lines("a", "a"), differs},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got, why := compare(c.directs, c.proxys); got != c.want {
				t.Errorf("compare is %q (%s), want %q", got, why, c.want)
			}
		})
	}
}

func TestNeutralReplacesOnlyTheEndpointsOwn(t *testing.T) {
	e := endpoint{Dir: "/w/d", Socket: "/w/d/s", Port: 21348}
	cases := map[string]string{
		"at 127.0.0.1:21348, MDEV-21348": "at 127.0.0.1:PORT, MDEV-21348",
		"21348":                          "PORT",
		"121348 213480 x21348 2.21348":   "121348 213480 x21348 2.21348",
		"socket=/w/d/s dir=/w/d/tmp":     "socket=SOCKET dir=VARDIR/tmp",
		"":                               "",
	}
	for in, want := range cases {
		if got := string(e.neutral([]byte(in))); got != want {
			t.Errorf("neutral(%q) is %q, want %q", in, got, want)
		}
	}
}
