package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestTransitionsAreEvents(t *testing.T) {
	node := apitest.NewRing()
	node.OpenOutbox()
	s := serve(t, node)
	node.EnterLevel("m2", "", "warn", topology.UrgencyWarning)
	node.EnterLevel("m2", "warn", "drain", topology.UrgencyCritical)
	node.EnterLevel("m2", "drain", "fresh", topology.UrgencyInfo)
	find := func(q api.EventQuery) []api.Event {
		t.Helper()
		events, index, err := s.tcp.FindEvents(t.Context(), q)
		if err != nil || index != node.Snapshot().Index {
			t.Fatalf("index %d: %v", index, err)
		}
		return events
	}
	if audit := find(api.EventQuery{}); len(audit) != 2 || audit[0].Seq != 0 || audit[0].Severity != "info" {
		t.Errorf("the audit is %+v", audit)
	}
	all := find(api.EventQuery{Observed: true, Kind: "lag"})
	if len(all) != 3 {
		t.Fatalf("transitions %+v", all)
	}
	if e := all[1]; e.Seq != 2 || e.Subject != "m2" || e.From != "warn" || e.To != "drain" || e.Status != "firing" || e.Severity != "critical" || e.Remedy == "" || len(e.Evidence) != 1 || e.By != "controller@n1" || e.Since.IsZero() || e.ID == "" {
		t.Errorf("a transition is %+v", e)
	}
	if e := all[2]; e.Status != "resolved" || e.Severity != "critical" {
		t.Errorf("its end is %+v", e)
	}
	for q, want := range map[api.EventQuery]int{
		{Observed: true, Severity: "critical"}: 2, {Observed: true, Member: "m1"}: 1, {Observed: true, Kind: "lag", Limit: 1}: 1,
		{Observed: true, After: all[1].Index}: 1, {Observed: true, Since: time.Hour}: 0,
	} {
		if got := find(q); len(got) != want {
			t.Errorf("%+v: %d events, want %d", q, len(got), want)
		}
	}
}

// Who follows is answered when something happens, and not asked again before.
func TestAQuestionForEventsWaits(t *testing.T) {
	node := apitest.NewRing()
	node.OpenOutbox()
	s := serve(t, node)
	q := api.EventQuery{Observed: true, After: node.Snapshot().Index, Wait: 300 * time.Millisecond}
	began := time.Now()
	if events, _, err := s.tcp.FindEvents(t.Context(), q); err != nil || len(events) != 0 || time.Since(began) < 250*time.Millisecond {
		t.Fatalf("after %s: %+v %v", time.Since(began), events, err)
	}
	q.Wait = 10 * time.Second
	time.AfterFunc(50*time.Millisecond, func() {
		node.Edit(func(*apitest.Node) {})
		_ = node.Propose(context.Background(), "dba@n1", topology.NoteLeader{Node: "n1", Term: 2}, "")
	})
	began = time.Now()
	events, index, err := s.tcp.FindEvents(t.Context(), q)
	if err != nil || len(events) != 1 || events[0].Kind != "raft" || index != events[0].Index || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %+v %v", time.Since(began), events, err)
	}
}

func TestAcknowledgeAndSilence(t *testing.T) {
	node := apitest.NewRing()
	s := serve(t, node)
	if _, err := s.unix.AckEvent(t.Context(), 1, "", false); problemOf(t, err).Kind() != api.ProblemStale {
		t.Errorf("acknowledged in no outbox: %v", err)
	}
	node.OpenOutbox()
	node.EnterLevel("m2", "", "warn", topology.UrgencyWarning)
	if _, err := s.unix.AckEvent(t.Context(), 9, "", false); problemOf(t, err).Kind() != api.ProblemStale {
		t.Errorf("acknowledged what is not there: %v", err)
	}
	e, err := s.unix.AckEvent(t.Context(), 1, "disk ordered", false)
	if err != nil || e.Acked == nil || e.Acked.By != "dba@n1" || e.Acked.Why != "disk ordered" {
		t.Errorf("%+v %v", e, err)
	}
	standing, err := s.tcp.Standing(t.Context())
	if err != nil || len(standing) != 1 || standing[0].Acked == nil || standing[0].To != "warn" {
		t.Errorf("%+v %v", standing, err)
	}
	if _, err := s.unix.AddSilence(t.Context(), api.SilenceRequest{Match: "what=x", ForMS: 1000}, false); problemOf(t, err).Kind() != api.ProblemRefused || !strings.Contains(err.Error(), "topic, subject, member, severity") {
		t.Errorf("%v", err)
	}
	list, err := s.unix.AddSilence(t.Context(), api.SilenceRequest{Match: "lag/m2", ForMS: 3_600_000, Why: "new disk"}, false)
	if err != nil || len(list) != 1 || list[0].ID != "s1" || list[0].By != "dba@n1" || list[0].Why != "new disk" {
		t.Errorf("%+v %v", list, err)
	}
	if list, err = s.unix.EndSilence(t.Context(), "s1", "", true); err != nil || len(list) != 0 || len(node.Snapshot().Outbox.Silences) != 1 {
		t.Errorf("a dry run: %+v %v", list, err)
	}
	if _, err = s.unix.EndSilence(t.Context(), "s1", "", false); err != nil || len(node.Snapshot().Outbox.Silences) != 0 {
		t.Errorf("%v", err)
	}
}

// Hooks are read over the API, tested by who may change things, and never set.
func TestHooksOverTheAPI(t *testing.T) {
	node := apitest.NewRing()
	node.OpenOutbox()
	node.Told = []api.Hook{{Name: "pager", Type: "exec", Target: "/bin/page", Severity: "warning", Match: []string{}, Failing: true, LastError: "exit status 1", Waiting: 3}}
	node.Tested = map[string]error{"pager": errors.New("exit status 1"), "chat": nil}
	s := serve(t, node)
	h, err := s.tcp.Hooks(t.Context())
	if err != nil || !h.Open || !h.Leads || h.Node != "n1" || len(h.Hooks) != 1 || h.Hooks[0].Target != "/bin/page" {
		t.Errorf("%+v %v", h, err)
	}
	if test, err := s.unix.TestHook(t.Context(), "chat"); err != nil || !test.OK {
		t.Errorf("%+v %v", test, err)
	}
	if test, err := s.unix.TestHook(t.Context(), "pager"); err != nil || test.OK || test.Error != "exit status 1" {
		t.Errorf("%+v %v", test, err)
	}
	if _, err := s.unix.TestHook(t.Context(), "other"); problemOf(t, err).Kind() != api.ProblemNotFound {
		t.Errorf("%v", err)
	}
	if _, err := s.tcp.TestHook(t.Context(), "chat"); problemOf(t, err).Kind() != api.ProblemReadOnly {
		t.Errorf("a hook was run over TCP in clear text: %v", err)
	}
	_, document := s.get(t, "/openapi.json")
	if strings.Contains(document, `"command"`) || strings.Contains(document, `"argv"`) {
		t.Error("the API takes commands")
	}
	_, metrics := s.get(t, "/metrics")
	for _, line := range []string{`sqlring_hook_failing{hook="pager"} 1`, `sqlring_hook_waiting{hook="pager"} 3`, `sqlring_outbox_pending 0`, `sqlring_events_standing{severity="critical"} 0`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
}

// Keys that run out are found as they are read.
func TestKeysThatRunOutAreFound(t *testing.T) {
	node := apitest.NewRing()
	s := serve(t, node)
	if _, known := s.server.KeyFindings(); known {
		t.Error("keys that were not read are known")
	}
	node.Edit(func(n *apitest.Node) {
		n.Columns = []autoinc.Column{{Schema: "shop", Table: "tiny", Column: "a", Type: "tinyint(3) unsigned", Max: 255, Next: 240}}
	})
	s.get(t, "/v1/autoinc/headroom")
	found, known := s.server.KeyFindings()
	if !known || len(found) == 0 || found[0].Topic != topology.TopicHeadroom || found[0].To == "fine" || found[0].Severity == topology.UrgencyInfo {
		t.Errorf("%+v", found)
	}
}
