package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/topology"
)

func twoMembers() api.InitRequest {
	return api.InitRequest{Name: "demo", Why: "a test", Members: []api.InitMember{
		{ID: "m1", Addr: "127.0.0.1:13301"}, {ID: "m2", Addr: "127.0.0.1:13302"},
	}}
}

func problemOf(t *testing.T, err error) *api.Problem {
	t.Helper()
	var p *api.Problem
	if !errors.As(err, &p) {
		t.Fatalf("%v is not a problem", err)
	}
	return p
}

// The plan is what Apply will decide; asking for it changes nothing.
func TestPlanThenInit(t *testing.T) {
	s := serve(t, apitest.NewNode())
	plan, err := s.unix.PlanRing(t.Context(), twoMembers())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.node.Asked) != 0 || s.node.Snapshot().Ring != nil {
		t.Fatal("the dry run changed something")
	}
	if plan.Stride != 16 || plan.Durability != "semisync" || plan.DegradedPolicy != "allow" || len(plan.Steps) != 5 {
		t.Errorf("plan %+v", plan)
	}
	if len(plan.InTheWay) != 0 {
		t.Errorf("nothing was looked at, and this is in the way: %q", plan.InTheWay)
	}
	out, err := s.unix.InitRing(t.Context(), twoMembers())
	if err != nil {
		t.Fatal(err)
	}
	if out.Operation == nil || out.Operation.ID != "op1" || out.Operation.State != "running" || out.Operation.Cursor != "preflight" {
		t.Errorf("operation %+v", out.Operation)
	}
	if want := "dba@n1: init ring demo of 2 members: a test"; len(s.node.Asked) != 1 || s.node.Asked[0] != want {
		t.Errorf("asked %q, want %q", s.node.Asked, want)
	}
	members, err := s.unix.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range members {
		p := plan.Members[i]
		if m.Name != p.Name || m.Slot != p.Slot || m.Identity != p.Identity || m.Upstream != p.Upstream || p.Owner != (i == 0) {
			t.Errorf("planned %+v, became %+v", p, m)
		}
	}
}

func TestInitRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(n *apitest.Node)
		req  func(r *api.InitRequest)
		kind api.ProblemKind
		want string
	}{
		{"bad name", nil, func(r *api.InitRequest) { r.Name = "De mo" }, api.ProblemInvalid, "name: name \"De mo\": use lower-case"},
		{"bad member name", nil, func(r *api.InitRequest) { r.Members[1].ID = "2m" }, api.ProblemInvalid, "members[1]: name \"2m\""},
		{"bad address", nil, func(r *api.InitRequest) { r.Members[1].Addr = "localhost" }, api.ProblemInvalid, "not of the form host:port"},
		{"bad site", nil, func(r *api.InitRequest) { r.Members[0].Site = "Paris" }, api.ProblemInvalid, "member m1: site"},
		{"name twice", nil, func(r *api.InitRequest) { r.Members[1].ID = "m1" }, api.ProblemInvalid, "the name m1 stands there twice"},
		{"address twice", nil, func(r *api.InitRequest) { r.Members[1].Addr = r.Members[0].Addr }, api.ProblemInvalid, "stands there twice"},
		{"one member", nil, func(r *api.InitRequest) { r.Members = r.Members[:1] }, api.ProblemInvalid, "members"},
		{"bad durability", nil, func(r *api.InitRequest) { r.Durability = "always" }, api.ProblemInvalid, "durability"},
		{"stride out of range", nil, func(r *api.InitRequest) { r.Stride = 70_000 }, api.ProblemInvalid, "stride"},
		{"stride too small", nil, func(r *api.InitRequest) { r.Stride = 1 }, api.ProblemRefused, "every auto_increment slot is taken"},
		{"a ring is there", func(n *apitest.Node) { *n = *apitest.NewRing() }, nil, api.ProblemRefused, "has the ring \"demo\" already"},
		{"follower", func(n *apitest.Node) { n.Leading = "n2" }, nil, api.ProblemNotLeader, "ask the API socket of n2"},
		{"no leader", func(n *apitest.Node) { n.Leading = "" }, nil, api.ProblemNotLeader, "no node leads now"},
		{"deposed meanwhile", func(n *apitest.Node) { n.Refuse = fmt.Errorf("propose: %w", api.ErrNotLeader) }, nil, api.ProblemNotLeader, "init ring demo"},
		{"no answer", func(n *apitest.Node) { n.Refuse = fmt.Errorf("propose: %w", api.ErrOutcomeUnknown) }, nil, api.ProblemOutcomeUnknown, "may or may not have happened"},
		{"in no time", func(n *apitest.Node) { n.Refuse = context.DeadlineExceeded }, nil, api.ProblemOutcomeUnknown, "may or may not have happened"},
		{"disk full", func(n *apitest.Node) { n.Refuse = errors.New("no space left") }, nil, api.ProblemInternal, "no space left"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			node := apitest.NewNode()
			if tt.edit != nil {
				tt.edit(node)
			}
			s := serve(t, node)
			req := twoMembers()
			if tt.req != nil {
				tt.req(&req)
			}
			before := node.Snapshot()
			_, err := s.unix.InitRing(t.Context(), req)
			p := problemOf(t, err)
			if p.Kind() != tt.kind || !strings.Contains(p.Detail, tt.want) {
				t.Errorf("%s: %s, want %s: %q", p.Kind(), p.Detail, tt.kind, tt.want)
			}
			if got, want := errors.Is(err, api.ErrNotLeader), tt.kind == api.ProblemNotLeader; got != want {
				t.Errorf("errors.Is ErrNotLeader: %t, want %t", got, want)
			}
			if got, want := errors.Is(err, api.ErrOutcomeUnknown), tt.kind == api.ProblemOutcomeUnknown; got != want {
				t.Errorf("errors.Is ErrOutcomeUnknown: %t, want %t", got, want)
			}
			if node.Snapshot() != before {
				t.Error("the refusal changed the state")
			}
		})
	}
}

func TestAbort(t *testing.T) {
	s := serve(t, apitest.NewNode())
	if _, err := s.unix.AbortOperation(t.Context(), "op1", ""); problemOf(t, err).Kind() != api.ProblemNotFound {
		t.Errorf("abort of nothing: %v", err)
	}
	if _, err := s.unix.InitRing(t.Context(), twoMembers()); err != nil {
		t.Fatal(err)
	}
	op, err := s.unix.AbortOperation(t.Context(), "op1", "typed the wrong port")
	if err != nil {
		t.Fatal(err)
	}
	if op.State != "aborted" || op.Ended == nil || op.Step != nil {
		t.Errorf("aborted operation %+v", op)
	}
	if want := "dba@n1: abort op1: typed the wrong port"; s.node.Asked[1] != want {
		t.Errorf("asked %q, want %q", s.node.Asked[1], want)
	}
	if _, err := s.unix.Operation(t.Context(), "op1"); problemOf(t, err).Kind() != api.ProblemNotFound {
		t.Errorf("the aborted init is still there: %v", err)
	}
	events, err := s.unix.Events(t.Context(), 0, 100)
	if err != nil || len(events) != 2 || events[1].What != `init op1 aborted at "preflight"` {
		t.Errorf("events %+v, %v", events, err)
	}
	if later, err := s.unix.Events(t.Context(), events[0].Index, 100); err != nil || len(later) != 1 {
		t.Errorf("after the first: %+v, %v", later, err)
	}
}

func TestAbortOfWhatIsOver(t *testing.T) {
	s := serve(t, apitest.NewRing())
	_, err := s.unix.AbortOperation(t.Context(), "op1", "")
	p := problemOf(t, err)
	if p.Kind() != api.ProblemStale || !strings.Contains(p.Detail, "no operation is running") {
		t.Errorf("%s: %s", p.Kind(), p.Detail)
	}
	if len(s.node.Asked) != 0 {
		t.Errorf("it cost a command: %q", s.node.Asked)
	}
}

// Bodies that are not ours: refused by name of the field, or bounded.
func TestBadBodies(t *testing.T) {
	s := serve(t, apitest.NewNode())
	huge := `{"name":"` + strings.Repeat("x", 1<<20+100<<10) + `"}`
	for name, tt := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"not json":      {"ring=demo", 400, "invalid character"},
		"unknown field": {`{"name":"demo","stryde":3,"members":[{"id":"m1","addr":"a:1"},{"id":"m2","addr":"a:2"}]}`, 422, "stryde"},
		"wrong type":    {`{"name":"demo","stride":"16","members":[{"id":"m1","addr":"a:1"},{"id":"m2","addr":"a:2"}]}`, 422, "stride"},
		"no members":    {`{"name":"demo"}`, 422, "members"},
		"empty":         {``, 400, "body"},
		"1.1 MiB":       {huge, 413, "body is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := s.post(t, "/v1/ring/init", tt.body)
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %.300s, want %d %q", status, body, tt.status, tt.want)
			}
			if !strings.Contains(body, `"urn:sqlring:problem:invalid"`) {
				t.Errorf("%.300s: not a problem of ours", body)
			}
		})
	}
	if s.node.Snapshot().Ring != nil {
		t.Error("a bad body made a ring")
	}
}

// post sends one raw request over the unix socket.
func (s served) post(t *testing.T, path, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	sock := strings.TrimPrefix(s.unix.Target(), "unix:")
	tr := &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Second, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", sock)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue") // a refused body is not sent
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestStepOfARunningOperationIsShown(t *testing.T) {
	node := apitest.NewNode()
	s := serve(t, node)
	if _, err := s.unix.InitRing(t.Context(), twoMembers()); err != nil {
		t.Fatal(err)
	}
	node.Edit(func(n *apitest.Node) {
		n.Step = topology.Step{Kind: topology.StepDo, Member: "m1", Action: topology.Action{Kind: topology.ActStamp}, Why: "it is new"}
	})
	op, err := s.tcp.Operation(t.Context(), "op1")
	if err != nil {
		t.Fatal(err)
	}
	if op.Step == nil || op.Step.Kind != "do" || op.Step.Member != "m1" || op.Step.What != "stamp" || op.Step.Why != "it is new" {
		t.Errorf("step %+v", op.Step)
	}
	node.Edit(func(n *apitest.Node) { n.StepAt = apitest.Began() })
	if op, err := s.tcp.Operation(t.Context(), "op1"); err != nil || op.Step != nil {
		t.Errorf("a step from before the operation is shown: %+v, %v", op.Step, err)
	}
	node.Edit(func(n *apitest.Node) { n.StepAt = apitest.Began().Add(time.Hour) })
	st, err := s.tcp.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Health != api.HealthDown || !strings.Contains(st.Reasons[0], `op1 is at "preflight", do: it is new`) {
		t.Errorf("%s %q: a ring that is being made is not open", st.Health, st.Reasons)
	}
}
