package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// AddRequest asks for another member.
type AddRequest struct {
	InitMember

	After       string `json:"after,omitempty" maxLength:"32" doc:"the member that it follows; empty: the last in ring order"`
	DiscardData bool   `json:"discard_data,omitempty" doc:"what the server holds is given up"`
	LockTables  bool   `json:"lock_tables,omitempty" doc:"tables that are not InnoDB are copied too; writes to them wait meanwhile"`
	Why         string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// RecloneRequest asks for another member's data in the place of a member's own.
type RecloneRequest struct {
	LockTables bool   `json:"lock_tables,omitempty" doc:"tables that are not InnoDB are copied too; writes to them wait meanwhile"`
	Why        string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// AddPlan is what adding a member, or copying its data anew, does.
type AddPlan struct {
	Member   PlanMember  `json:"member"`
	Stride   int         `json:"stride"`
	Behind   string      `json:"behind" doc:"the member that is going to follow it"`
	Source   string      `json:"source" doc:"whose data is copied, as it looks now"`
	Checks   []CopyCheck `json:"checks"`
	Steps    []string    `json:"steps"`
	Refused  string      `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
	Check    string      `json:"check" doc:"the check that refuses; empty: none, or one without a name"`
	Override string      `json:"override" doc:"the field of the request that lets it pass; empty: none does"`
}

// CopyCheck is one thing that was looked at.
type CopyCheck struct {
	Name     string `json:"name"`
	Verdict  string `json:"verdict" doc:"ok, warning, unknown or refused"`
	What     string `json:"what"`
	Remedy   string `json:"remedy" doc:"what to do about it; empty: nothing"`
	Override string `json:"override" doc:"the field of the request that lets it pass; empty: none does"`
}

// Copy is how far the copy of a member's data is.
type Copy struct {
	Source  string `json:"source"`
	State   string `json:"state" doc:"running, done or failed"`
	Bytes   uint64 `json:"bytes"`
	Total   uint64 `json:"total" doc:"as the source guesses; 0: not known"`
	Rows    uint64 `json:"rows"`
	Tables  int    `json:"tables" doc:"that are done"`
	Rate    uint64 `json:"rate" doc:"bytes a second, on average"`
	LeftMS  *int64 `json:"left_ms" doc:"how long it still takes at that rate; null: not known"`
	Doing   string `json:"doing"`
	Error   string `json:"error" doc:"why it failed; it is begun anew by itself"`
	TookMS  int64  `json:"took_ms"`
	Attempt int    `json:"attempt"`
}

// AddResponse is what was decided, and what was started.
type AddResponse struct {
	Plan      AddPlan    `json:"plan"`
	Operation *Operation `json:"operation" doc:"null if nothing was started"`
}

type addInput struct {
	DryRun bool `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   AddRequest
}

type recloneInput struct {
	Name   string          `path:"name" maxLength:"32" doc:"for example m1"`
	DryRun bool            `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   *RecloneRequest `required:"false"`
}

func (s *Server) addRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/members", OperationID: "add-member", MaxBodyBytes: maxBody,
		Summary: "Add a server to the ring; it gets a member's data: returns the plan, and the operation unless dry_run is set",
	}, s.addMember)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/members/{name}/reclone", OperationID: "reclone-member", MaxBodyBytes: maxBody,
		Summary: "Give up the data of a member that is out, and copy another one's: returns the plan, and the operation unless dry_run is set",
	}, s.reclone)
}

func (s *Server) addMember(ctx context.Context, in *addInput) (*answer[AddResponse], error) {
	r, what := in.Body, "add "+in.Body.ID
	if err := r.validate(map[string]bool{}, map[string]bool{}); err != nil {
		return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "%s: %v", what, err)
	}
	change := topology.BeginAdd{
		Member: topology.NewMember{ID: topology.MemberID(r.ID), Addr: r.Addr, Site: r.Site, Weight: r.Weight},
		After:  topology.MemberID(r.After), Discard: r.DiscardData, Lock: r.LockTables,
	}
	return s.copyInto(ctx, copying{change: change, id: change.Member.ID, what: what, why: r.Why, kind: topology.OperationAdd}, in.DryRun)
}

func (s *Server) reclone(ctx context.Context, in *recloneInput) (*answer[AddResponse], error) {
	r := RecloneRequest{}
	if in.Body != nil {
		r = *in.Body
	}
	change := topology.BeginReclone{Member: topology.MemberID(in.Name), Lock: r.LockTables}
	l, what := s.look(), "reclone "+in.Name
	if _, ok := l.snap.Member(change.Member); !ok {
		return nil, newProblem(http.StatusNotFound, ProblemNotFound, "%s: %s is not a member of the ring: %s", what, in.Name, l.memberNames())
	}
	return s.copyInto(ctx, copying{change: change, id: change.Member, what: what, why: r.Why, kind: topology.OperationReclone}, in.DryRun)
}

// copying is a request for a copy, of either kind.
type copying struct {
	change    topology.Change
	id        topology.MemberID
	what, why string
	kind      topology.OperationKind
}

func (s *Server) copyInto(ctx context.Context, r copying, dryRun bool) (*answer[AddResponse], error) {
	l := s.look()
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, r.what)
	}
	next, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Change: r.change})
	if err != nil {
		return nil, proposeProblem(l, r.what, err)
	}
	plan := s.addPlan(ctx, l, next, r)
	if dryRun {
		return &answer[AddResponse]{AddResponse{Plan: plan}}, nil
	}
	if plan.Refused != "" {
		p := newProblem(http.StatusConflict, ProblemRefused, "%s: %s", r.what, plan.Refused)
		p.Check, p.Override = plan.Check, plan.Override
		return nil, p
	}
	if err := s.propose(ctx, r.change, r.why); err != nil {
		return nil, proposeProblem(l, r.what, err)
	}
	return &answer[AddResponse]{AddResponse{Plan: plan, Operation: s.started(r.kind)}}, nil
}

// addPlan looks at both servers. The plan is what Apply will decide: next is the
// state after it.
func (s *Server) addPlan(ctx context.Context, l look, next *topology.Snapshot, r copying) AddPlan {
	m, _ := next.Member(r.id)
	after := look{snap: next}
	up, down := after.between(r.id)
	source := l.copySource(up)
	from, _ := l.snap.Member(topology.MemberID(source))
	plan := AddPlan{
		Member: PlanMember{
			Name: string(m.ID), Addr: m.Addr, Slot: m.Slot, Identity: m.Identity, Upstream: up, Site: m.Site, Weight: max(1, m.Weight),
		},
		Stride: next.Ring.Stride, Behind: down, Source: source,
	}
	for _, c := range s.node.CheckCopy(ctx, topology.CopyInquiry{Target: m, Source: from, Discard: m.Copy.Discard, Lock: m.Copy.Lock}) {
		plan.Checks = append(plan.Checks, CopyCheck{Name: c.Name, Verdict: c.Verdict.String(), What: c.What, Remedy: c.Remedy, Override: c.Override})
		if c.Verdict != topology.CopyRefused || plan.Refused != "" {
			continue
		}
		plan.Check, plan.Override = c.Name, c.Override
		plan.Refused = fmt.Sprintf("refused by the check %q: %s", c.Name, c.What)
		if c.Remedy != "" {
			plan.Refused += "; " + c.Remedy
		}
		if c.Override != "" {
			plan.Refused += "; what overrides it: " + flagOf(c.Override)
		} else {
			plan.Refused += "; nothing overrides this"
		}
	}
	first := fmt.Sprintf("%s is checked once more, closed, and gets identity %d, slot %d/%d and the ring's settings", m.ID, m.Identity, m.Slot, next.Ring.Stride)
	if m.Copy.Discard {
		first += "; what it holds is dropped"
	}
	plan.Steps = []string{
		first,
		fmt.Sprintf("the data of %s is copied to %s, as of one moment and without a lock; each chunk is compared; others go on writing", source, m.ID),
		fmt.Sprintf("%s follows %s until it has what that has; it acknowledges nothing", m.ID, up),
		fmt.Sprintf("%s follows %s: from here there is no way back; semi-sync is off for that moment", down, m.ID),
		fmt.Sprintf("%s is verified once more and is in the ring: it serves reads, and owns nothing", m.ID),
	}
	return plan
}

// copySource is whose data would be copied now: as the plan of topology chooses.
func (l look) copySource(up string) string {
	candidates := []string{up}
	for _, m := range l.snap.Members {
		if _, good := l.obs.Good(m.ID, l.now); good && m.State == topology.MemberActive {
			candidates = append(candidates, string(m.ID))
		}
	}
	for _, id := range candidates {
		if !l.snap.Owns(topology.MemberID(id)) && !l.snap.Inherits(topology.MemberID(id)) {
			return id
		}
	}
	return up
}

// copyOf shows the copy of a running operation, as the node that leads sees it.
func (l look) copyOf(op topology.Operation) *Copy {
	m, ok := l.snap.Member(op.Member)
	seen, _ := l.obs.Of(op.Member)
	if op.State != topology.OperationRunning || !ok || m.Copy == nil {
		return nil
	}
	if m.Copy.Done {
		sum := m.Copy.Sum
		return &Copy{
			Source: string(m.Copy.From), State: topology.CopyDone.String(), Bytes: sum.Bytes, Total: sum.Bytes, Rows: sum.Rows, Tables: sum.Tables,
			TookMS: sum.Took.Milliseconds(), Rate: topology.CopyProgress{Sum: sum, At: op.Began.Add(sum.Took), Began: op.Began}.RateBytes(),
		}
	}
	c := seen.Copy
	if c == nil || c.ID != m.Copy.ID {
		return nil
	}
	shown := &Copy{
		Source: string(m.Copy.From), State: c.State.String(), Bytes: c.Sum.Bytes, Total: c.Total, Rows: c.Sum.Rows, Tables: c.Sum.Tables,
		Rate: c.RateBytes(), Doing: c.Doing, Error: c.Error, TookMS: c.At.Sub(c.Began).Milliseconds(), Attempt: c.Attempts,
	}
	if left, known := c.Left(); known {
		ms := left.Milliseconds()
		shown.LeftMS = &ms
	}
	return shown
}
