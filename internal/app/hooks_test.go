package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/hook"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// receiver is where webhooks post to. Each that comes in is kept, and shown to onto
// before it is answered.
type receiver struct {
	*httptest.Server

	mu   sync.Mutex
	got  []received
	onto func(hook.Message)
}

type received struct {
	hook.Message

	at time.Time
}

func startReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		var m hook.Message
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		if err != nil || q.Header.Get("X-Sqlring-Event-Id") != m.ID {
			t.Errorf("got %s: %v", body, err)
		}
		r.mu.Lock()
		r.got = append(r.got, received{m, time.Now()})
		onto := r.onto
		r.mu.Unlock()
		if onto != nil {
			onto(m)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

// of returns what has come in that begins so: "test/lag/m2 warn".
func (r *receiver) of(prefix string) (found []received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.got {
		if strings.HasPrefix(m.Key+" "+m.To+" "+m.Status.String(), prefix) {
			found = append(found, m)
		}
	}
	return found
}

func (r *receiver) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := ""
	for _, m := range r.got {
		text += fmt.Sprintf("\n%s %s %s -> %s %s by %s", m.at.Format("05.000"), m.Key, m.From, m.To, m.ID, m.Node)
	}
	return text
}

// once waits until something has come in, and checks that all that came in of it have
// one id.
func (r *receiver) once(t *testing.T, limit time.Duration, prefix string) received {
	t.Helper()
	eventually(t, limit, prefix+" comes in", func() error {
		if len(r.of(prefix)) == 0 {
			return fmt.Errorf("what came in:%s", r.all())
		}
		return nil
	})
	found := r.of(prefix)
	for _, m := range found {
		if m.ID != found[0].ID {
			t.Errorf("%s came in with the ids %s and %s", prefix, found[0].ID, m.ID)
		}
	}
	return found[0]
}

// untilOpen waits until transitions are taken down.
func (r *rig) untilOpen(t *testing.T) {
	t.Helper()
	eventually(t, 10*time.Second, "the outbox is open", func() error {
		h, err := r.client.Hooks(t.Context())
		if err == nil && !h.Open {
			err = errors.New("it is not")
		}
		return err
	})
}

// takeover kills the owner, and returns when that was, and how long it took until the
// unit had another one.
func (r *rig) takeover(t *testing.T) (at time.Time, took time.Duration) {
	t.Helper()
	owner := r.owner(t)
	at = time.Now()
	r.servers[owner].Kill()
	for time.Since(at) < 20*time.Second {
		st := r.status(t)
		if o := st.Units[0].Owner; o != "" && o != r.servers[owner].Name {
			return at, time.Since(at)
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("nobody took over within 20 s")
	return at, 0
}

// A takeover is told once to each hook, within two seconds, and a hook that hangs, one
// that fails and one that lies do not make it any longer.
func TestATakeoverIsToldWhateverOtherHooksDo(t *testing.T) {
	plain := startRig(t, 2)
	_, without := plain.takeover(t)

	in := startReceiver(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "tell")
	heard := filepath.Join(dir, "heard")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncat >> "+heard+"\necho >> "+heard+"\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	r := startRigWith(t, 2, []app.HookConfig{
		{Name: "hangs", Type: "exec", Command: []string{"/bin/sleep", "3600"}, Timeout: "300s", Severity: "info"},
		{Name: "fails", Type: "exec", Command: []string{"/bin/false"}, Severity: "info"},
		{Name: "nobody", Type: "webhook", URL: "http://127.0.0.1:1/", Severity: "info"},
		{Name: "tells", Type: "webhook", URL: in.URL, Severity: "info"},
		{Name: "runs", Type: "exec", Command: []string{script}, Match: []string{"member/*"}},
	})
	r.untilOpen(t)
	at, with := r.takeover(t)
	down := in.once(t, 5*time.Second, "test/member/m1 down firing")
	told := down.at.Sub(at)
	t.Logf("FIGURE takeover without hooks %d ms, with hooks that hang and fail %d ms; told after %d ms", without.Milliseconds(), with.Milliseconds(), told.Milliseconds())
	if told > bar(2*time.Second) {
		t.Errorf("told %s after the kill", told)
	}
	if with > without+bar(2*time.Second) {
		t.Errorf("the takeover took %s, without hooks %s", with, without)
	}
	if down.Severity.String() != "warning" || down.Why == "" || down.Remedy == "" || len(down.Evidence) == 0 || down.By != "controller@n1" {
		t.Errorf("told is %+v", down.Message)
	}
	in.once(t, 5*time.Second, "test/unit/* nobody told")
	in.once(t, 5*time.Second, "test/unit/* m2 told")
	in.once(t, 15*time.Second, "test/hook/fails failing firing")
	eventually(t, 5*time.Second, "the command ran", func() error {
		text, err := os.ReadFile(heard)
		if err == nil && !strings.Contains(string(text), down.ID) {
			err = fmt.Errorf("it heard %q", text)
		}
		return err
	})
	r.looksAtHooks(t)
	r.servers[0].RestartNow(t)
	in.once(t, 60*time.Second, "test/member/m1 active resolved")
	if n := len(in.of("test/member/m1 down firing")); n != 1 {
		t.Errorf("m1's loss was told %d times", n)
	}
}

// looksAtHooks asks the API about hooks that hang and fail.
func (r *rig) looksAtHooks(t *testing.T) {
	t.Helper()
	h, err := r.client.Hooks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]api.Hook{}
	for _, k := range h.Hooks {
		by[k.Name] = k
	}
	if !by["fails"].Failing || by["tells"].Failing || by["hangs"].Delivered != 0 || by["tells"].Delivered == 0 || by["hangs"].Waiting == 0 {
		t.Errorf("the hooks are %+v", h.Hooks)
	}
	if test, err := r.client.TestHook(t.Context(), "tells"); err != nil || !test.OK {
		t.Errorf("a test of a hook that works: %+v %v", test, err)
	}
	if test, err := r.client.TestHook(t.Context(), "fails"); err != nil || test.OK || test.Error == "" {
		t.Errorf("a test of a hook that fails: %+v %v", test, err)
	}
	if _, err := r.client.TestHook(t.Context(), "other"); err == nil {
		t.Error("a hook that is not there was tested")
	}
}

func startRigWith(t *testing.T, members int, hooks []app.HookConfig) *rig {
	t.Helper()
	plain := &rig{servers: mysqltest.StartRing(t, members)}
	plain.cfg = nodeConfig(t)
	plain.cfg.Hooks = hooks
	plain.startNode(t)
	plain.initRing(t)
	return plain
}

// The leader dies as a level is entered: before it was told, and after it was sent and
// before that was noted. Another node tells it; what comes twice has one id.
func TestALevelIsToldThoughTheLeaderDies(t *testing.T) {
	in := startReceiver(t)
	n := startNodesWith(t, func(c *app.Config) {
		c.Hooks = []app.HookConfig{{Name: "tells", Type: "webhook", URL: in.URL, Match: []string{"lag/*", "raft/*", "node/*", "member/*", "unit/*"}, Severity: "info"}}
	}, "voter", "voter", "voter")
	n.nodes[0].untilOpen(t)
	for _, tt := range []struct {
		name string
		sent bool // the leader dies once it has sent it
	}{{"before it is seen", false}, {"as it is sent", true}} {
		t.Run(tt.name, func(t *testing.T) { n.levelAndKill(t, in, tt.sent) })
	}
	t.Run("a takeover", func(t *testing.T) { n.takeoverAndKill(t, in) })
}

// takeoverAndKill kills the owner, and the leader as it has begun to heal that.
func (n *nodesRig) takeoverAndKill(t *testing.T, in *receiver) {
	n.answer(t)
	lead := n.leader(t)
	via := n.nodes[(lead+1)%3]
	owner := n.owner(t, via)
	in.mu.Lock()
	in.got, in.onto = nil, nil
	in.mu.Unlock()
	owner.Kill()
	var down time.Time
	eventually(t, 15*time.Second, "the heal begins", func() error {
		st, err := via.client.Status(t.Context())
		if err != nil {
			return err
		}
		for _, m := range st.Members {
			if m.Name == owner.Name && m.State == "down" {
				down = time.Now()
				return nil
			}
		}
		return errors.New("not yet")
	})
	deaths := n.procs[lead].deaths()
	n.procs[lead].signal(t, syscall.SIGKILL)
	told := in.once(t, 15*time.Second, "test/member/"+owner.Name+" down firing")
	granted := in.once(t, 30*time.Second, "test/unit/* "+n.other(owner)+" told")
	t.Logf("FIGURE takeover told %d ms after it was committed, its end after %d ms, the leader killed as it was committed", told.at.Sub(down).Milliseconds(), granted.at.Sub(down).Milliseconds())
	if late := told.at.Sub(down); late > bar(2*time.Second) {
		t.Errorf("told %s after it was committed", late)
	}
	if n.procs[lead].deaths() == deaths {
		t.Error("the leader did not die: the test proves nothing")
	}
	in.once(t, time.Second, "test/member/"+owner.Name+" down firing") // still one id
}

// other names the server that is not that one.
func (n *nodesRig) other(than *mysqltest.Server) string {
	if n.servers[0] == than {
		return n.servers[1].Name
	}
	return n.servers[0].Name
}

func (n *nodesRig) levelAndKill(t *testing.T, in *receiver, sent bool) {
	n.answer(t)
	lead := n.leader(t)
	via := n.nodes[(lead+1)%3]
	owner := n.owner(t, via)
	other := n.servers[0]
	if other == owner {
		other = n.servers[1]
	}
	in.mu.Lock()
	in.got, in.onto = nil, nil
	if sent {
		in.onto = func(m hook.Message) {
			if m.Key == "test/lag/"+other.Name && m.To == "warn" && string(m.Node) == string(n.nodes[lead].cfg.Node) {
				n.procs[lead].signal(t, syscall.SIGKILL) // it never hears that it was taken
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
	in.mu.Unlock()
	conn, err := other.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	mustExec(t, conn, "BEGIN", "SELECT * FROM sqlring.heartbeat WHERE member='"+owner.Name+"' FOR UPDATE")
	if !sent { // a level is entered after a second at a second: 0.2 s before that
		eventually(t, 15*time.Second, other.Name+" lags", func() error {
			report, err := via.client.Lag(t.Context())
			if err != nil {
				return err
			}
			if low := cell(t, report, owner.Name, other.Name).LowMS; low == nil || *low < 1000 {
				return errors.New("not by a second")
			}
			return nil
		})
		time.Sleep(800 * time.Millisecond)
		n.procs[lead].signal(t, syscall.SIGKILL)
	}
	var entered time.Time
	eventually(t, 15*time.Second, other.Name+" is warn", func() error {
		report, err := via.client.Lag(t.Context())
		if err != nil {
			return err
		}
		if got := level(report, other.Name); got.Level != "warn" {
			return fmt.Errorf("it is %s", got.Level)
		}
		entered = time.Now()
		return nil
	})
	key := "test/lag/" + other.Name + " warn firing"
	first := in.once(t, 10*time.Second, key)
	t.Logf("FIGURE level told %d ms after a follower saw it entered, the leader killed %v", first.at.Sub(entered).Milliseconds(), tt(sent))
	if late := first.at.Sub(entered); late > bar(2*time.Second) {
		t.Errorf("told %s after it was entered", late)
	}
	if sent { // the next leader has not heard that it was sent
		eventually(t, 10*time.Second, "the next leader tells it, too", func() error {
			if len(in.of(key)) < 2 {
				return fmt.Errorf("what came in:%s", in.all())
			}
			return nil
		})
	}
	mustExec(t, conn, "ROLLBACK")
	in.once(t, 60*time.Second, "test/lag/"+other.Name+" fresh resolved")
	in.once(t, 5*time.Second, key) // still one id
	n.answer(t)
	eventually(t, 20*time.Second, "all nodes are back", func() error {
		standing, err := via.client.Standing(t.Context())
		if i := slices.IndexFunc(standing, func(st api.StandingEvent) bool { return st.Kind == "node" }); err == nil && i >= 0 {
			err = fmt.Errorf("%s stands", standing[i].What)
		}
		return err
	})
	n.leader(t)
}

func tt(sent bool) string {
	if sent {
		return "once it was sent"
	}
	return "0.2 s before"
}
