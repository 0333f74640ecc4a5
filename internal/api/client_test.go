package api_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
)

func TestNewClientRefusesOtherTargets(t *testing.T) {
	for _, target := range []string{"", "unix:", "127.0.0.1:8406", "https://", "http://", "http://localhost/v1", "ftp://x", "/run/api.sock"} {
		if _, err := api.NewClient(target); err == nil || !strings.Contains(err.Error(), "unix:PATH") {
			t.Errorf("target %q: %v, want a refusal that says what is possible", target, err)
		}
	}
}

func TestClientSaysThatNothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	l.Close()
	for _, target := range []string{"http://" + free, "unix:" + filepath.Join(t.TempDir(), "api.sock")} {
		c := client(t, target)
		_, err := c.Status(t.Context())
		if !errors.Is(err, api.ErrUnreachable) || !strings.Contains(err.Error(), target) || !strings.Contains(err.Error(), "sqlring serve") {
			t.Errorf("%s: %v, want ErrUnreachable with the target and what to do", target, err)
		}
	}
}

func TestClientGivesUpOnSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog, answers never
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := client(t, "http://"+l.Addr().String())
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Status(ctx); !errors.Is(err, api.ErrUnreachable) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("got %v, want unreachable in time", err)
	}
}

func TestClientIsNotFooledByAnotherServer(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"html": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"404":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
	} {
		t.Run(name, func(t *testing.T) {
			other := httptest.NewServer(handler)
			defer other.Close()
			c := client(t, other.URL)
			defer c.Close()
			if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "is it") {
				t.Errorf("got %v, want a doubt that it is a node", err)
			}
		})
	}
}

// Every call of the client, against an open ring.
func TestClientCalls(t *testing.T) {
	s := serve(t, apitest.NewRing())
	ctx := t.Context()
	for _, c := range []*api.Client{s.unix, s.tcp} {
		if units, err := c.Units(ctx); err != nil || len(units) != 1 || units[0].Owner != "m1" {
			t.Errorf("%s units: %+v, %v", c.Target(), units, err)
		}
		if ops, err := c.Operations(ctx); err != nil || len(ops) != 1 || ops[0].State != "done" || ops[0].Ended == nil {
			t.Errorf("%s operations: %+v, %v", c.Target(), ops, err)
		}
		if v, err := c.Version(ctx); err != nil || v.API != "v1" || v.Go == "" {
			t.Errorf("%s version: %+v, %v", c.Target(), v, err)
		}
		if lag, err := c.Lag(ctx); err != nil || len(lag.Cells) != 2 || lag.Cells[0].HighMS == nil || *lag.Cells[0].HighMS != 7 {
			t.Errorf("%s lag: %+v, %v", c.Target(), lag, err)
		}
	}
	if s.tcp.Local() || !s.unix.Local() {
		t.Error("Local mixes up the transports")
	}
}
