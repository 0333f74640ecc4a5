package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// whyEvents is how many decisions of the past an answer tells.
const whyEvents = 12

// Why explains the ring, or one thing of it, in sentences.
type Why struct {
	About     string    `json:"about" doc:"the name that was asked for; empty: the ring"`
	Kind      string    `json:"kind" doc:"ring, member, unit or operation"`
	At        time.Time `json:"at"`
	Now       []string  `json:"now" doc:"how it is now, and why, as sentences"`
	Verdicts  []Verdict `json:"verdicts" doc:"of the members that it concerns"`
	Decisions []Event   `json:"decisions" doc:"the newest events about it, oldest first"`
	Next      []string  `json:"next" doc:"what to type if something is needed; empty: nothing is"`
}

type whyQuery struct {
	About string `query:"about" maxLength:"64" doc:"a member, a unit or an operation; empty: the ring. A name that is a member's means the member"`
}

func (s *Server) whyRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/why", OperationID: "get-why",
		Summary: "What the controller decides and why, about the ring or one thing of it, in sentences",
	}, func(_ context.Context, in *whyQuery) (*answer[Why], error) {
		l := s.look()
		why, ok := l.why(in.About)
		if !ok {
			return nil, newProblem(http.StatusNotFound, ProblemNotFound,
				"why %s: there is no member, unit or operation of that name; %s; the units and operations: `sqlring unit list`, `sqlring operation list`", in.About, l.memberNames())
		}
		return &answer[Why]{why}, nil
	})
}

func (l look) why(about string) (Why, bool) {
	w := Why{About: about, Kind: "ring", At: l.now.UTC(), Verdicts: l.verdicts(), Next: l.next()}
	concerns := func(e topology.Event) bool { return e.Kind != "step" } // those are of one operation each
	m, isMember := l.snap.Member(topology.MemberID(about))
	op, isOperation := l.snap.Operation(topology.OperationID(about))
	unit, isUnit := l.snap.Unit(topology.UnitID(about))
	switch {
	case about == "":
		w.Now = l.whyRing()
	case isMember:
		w.Kind, w.Now = "member", l.whyMember(m)
		w.Verdicts = slices.DeleteFunc(w.Verdicts, func(v Verdict) bool { return v.Member != about })
		concerns = func(e topology.Event) bool { return e.Member == m.ID || mentions(e.What, about) }
	case isOperation:
		w.Kind, w.Now = "operation", l.whyOperation(op)
		w.Verdicts = slices.DeleteFunc(w.Verdicts, func(v Verdict) bool { return op.Member != "" && v.Member != string(op.Member) })
		concerns = func(e topology.Event) bool { return mentions(e.What, about) }
	case isUnit:
		w.Kind, w.Now = "unit", l.whyUnit(unit)
		w.Verdicts = slices.DeleteFunc(w.Verdicts, func(v Verdict) bool { return v.Member != string(unit.Owner) && unit.Owner != "" })
		concerns = func(e topology.Event) bool {
			moves := slices.Contains([]string{"move", "divide", "unit"}, e.Kind) && mentions(e.What, about)
			return moves || slices.Contains([]string{"ring", "heal", "restart"}, e.Kind)
		}
	default:
		return Why{}, false
	}
	w.Decisions = []Event{}
	for _, e := range l.events(0, topology.MaxEvents) {
		if concerns(topology.Event{Member: topology.MemberID(e.Member), Kind: e.Kind, What: e.What}) {
			w.Decisions = append(w.Decisions, e)
		}
	}
	w.Decisions = w.Decisions[max(0, len(w.Decisions)-whyEvents):]
	return w, true
}

// mentions reports whether a sentence holds a name as a word of its own.
func mentions(text, name string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" :;,()", r) }), name)
}

// whyRing says how the ring is, what the controller decides, and how it stands
// with every unit.
func (l look) whyRing() []string {
	if l.snap.Ring == nil {
		return []string{"There is no ring yet."}
	}
	health, reasons := l.health()
	lines := []string{fmt.Sprintf("The ring %s is %s.", l.snap.Ring.Name, health)}
	for _, reason := range reasons {
		lines = append(lines, sentence(reason))
	}
	lines = append(lines, l.whyController())
	for _, u := range l.snap.Units {
		if u.Owner != "" {
			lines = append(lines, l.whyUnit(u)...)
		}
	}
	return lines
}

// whyController says who decides, and what was decided last.
func (l look) whyController() string {
	switch {
	case !l.hasLeader:
		return "No controller leads: reads and writes go on, changes and repairs wait for a majority of the nodes."
	case l.leader != l.node && l.stepAt.IsZero():
		return fmt.Sprintf("The controller of node %s decides; this node (%s) does not know its last step: ask it there.", l.leader, l.node)
	case l.stepAt.IsZero():
		return fmt.Sprintf("The controller of this node (%s) leads and has not decided anything yet.", l.node)
	}
	step := l.lastStep()
	what := step.Kind
	if step.What != "" {
		what += " " + step.What
	}
	if step.Member != "" {
		what += " on " + step.Member
	}
	return sentence(fmt.Sprintf("the controller of this node (%s) decided last, %s ago, to %s: %s", l.node, Span(l.now.Sub(l.stepAt)), intent(what), step.Why))
}

// intent turns the kind of a step into a verb.
func intent(what string) string {
	switch what {
	case topology.StepIdle.String():
		return "leave everything as it is"
	case topology.StepStuck.String():
		return "wait for a person"
	}
	return what
}

func (l look) whyMember(m topology.Member) []string {
	lines := []string{fmt.Sprintf("Member %s at %s is %s.", m.ID, m.Addr, m.State)}
	if m.Why != "" {
		lines = append(lines, sentence("it is so because "+m.Why))
	}
	shown := l.member(m)
	switch {
	case len(shown.Owns) > 0:
		lines = append(lines, fmt.Sprintf("It owns %s: their writes go to it.", strings.Join(shown.Owns, ", ")))
	case l.snap.Inherits(m.ID):
		lines = append(lines, "It owns nothing yet, and is the heir of a unit that waits.")
	default:
		lines = append(lines, "It owns nothing and is meant to be read-only.")
	}
	switch m.SemiSync {
	case topology.SemiSyncArmed:
		lines = append(lines, "Its commits are ordered to wait for its acker (semi-sync armed).")
	case topology.SemiSyncDegraded:
		lines = append(lines, "Its commits wait for nobody, by order (semi-sync degraded): what it alone has is lost if its disk is.")
	case topology.SemiSyncOff:
	}
	if m.State == topology.MemberActive {
		lines = append(lines, l.whyLevel(m.ID))
	}
	if len(m.Cut) > 0 {
		lines = append(lines, fmt.Sprintf("When it was taken out the survivors had its own transactions up to %s (the cut).", m.Cut))
	}
	if e := l.edge(m); m.Linked() && e.Meant != "" && !e.OK {
		lines = append(lines, sentence(fmt.Sprintf("it is meant to follow %s, and that is not seen: receiver %s, applier %s %s", e.Meant, e.Receiver, e.Applier, e.Error)))
	}
	if op, ok := l.newest(m.ID, topology.OperationRejoin); ok && op.Tail != nil && m.State != topology.MemberActive {
		lines = append(lines, sentence(fmt.Sprintf("%s judged what only it holds: %s: %s: %s", op.ID, transactions(uint64(max(0, op.Tail.Transactions))), op.Tail.Verdict, op.Tail.Why)))
	}
	if op, ok := l.snap.Running(); ok && (op.Member == m.ID || op.Heir == m.ID) {
		lines = append(lines, l.whyOperation(op)...)
	}
	return lines
}

func (l look) whyUnit(u topology.Unit) []string {
	if u.Owner == "" {
		lines := []string{sentence(l.ownerless(u))}
		if heir := l.heirOf(u); heir != "" {
			lines = append(lines, fmt.Sprintf("Its heir is %s.", heir))
		}
		return lines
	}
	lines := []string{fmt.Sprintf("Unit %s is owned by %s, in epoch %d: its writes go there.", u.ID, u.Owner, u.Epoch)}
	if u.Draining {
		lines = append(lines, "It is drained: what is under way in it may end, new writes wait.")
	}
	for i := len(l.snap.Operations) - 1; i >= 0; i-- {
		op := l.snap.Operations[i]
		if op.Kind == topology.OperationMove && op.Unit == u.ID && op.Heir == u.Owner && op.State == topology.OperationDone {
			return append(lines, sentence(fmt.Sprintf("it was moved there from %s in %s, at %s: %s", op.Former, op.ID, op.Ended.Format(time.RFC3339), op.Why)))
		}
		if op.Kind == topology.OperationHeal && op.Heir == u.Owner && op.Former != u.Owner && op.State == topology.OperationDone {
			return append(lines, sentence(fmt.Sprintf("it inherited from %s in %s, at %s: %s", op.Former, op.ID, op.Ended.Format(time.RFC3339), op.Why)))
		}
	}
	return lines
}

func (l look) whyOperation(op topology.Operation) []string {
	lines := []string{fmt.Sprintf("%s %s; it was begun by %s at %s.", op.ID, purpose(op), op.By, op.Began.Format(time.RFC3339))}
	if op.Why != "" {
		lines = append(lines, sentence("it was begun because "+op.Why))
	}
	switch op.State {
	case topology.OperationRunning:
		lines = append(lines, sentence(fmt.Sprintf("it has run for %s and is at %q: %s%s", Span(l.now.Sub(op.Began)), op.Cursor, cursorWords(op.Kind, op.Cursor), l.because(op))))
	case topology.OperationDone, topology.OperationAborted:
		lines = append(lines, fmt.Sprintf("It is %s since %s; it took %s.", op.State, op.Ended.Format(time.RFC3339), Span(op.Ended.Sub(op.Began))))
	}
	if op.Kind == topology.OperationHeal {
		lines = append(lines, l.whyHeal(op)...)
	}
	if t := op.Tail; t != nil {
		line := fmt.Sprintf("what only %s held: %s: %s: %s", op.Member, transactions(uint64(max(0, t.Transactions))), t.Verdict, t.Why)
		if t.File != "" {
			line += "; they are in " + t.File
		}
		lines = append(lines, sentence(line))
	}
	if op.LetFlow {
		lines = append(lines, "The DBA has said that its tail flows, whatever it is.")
	}
	return lines
}

func (l look) whyHeal(op topology.Operation) []string {
	var lines []string
	if op.Armed {
		lines = append(lines, fmt.Sprintf("The commits of %s waited for its acker: nothing acknowledged is on its disk alone.", op.Member))
	} else if op.Former == op.Member {
		lines = append(lines, fmt.Sprintf("The commits of %s did not wait for an acker: what was acknowledged may be on its disk alone.", op.Member))
	}
	if len(op.Mark) > 0 {
		lines = append(lines, fmt.Sprintf("Acknowledged to clients was %s.", op.Mark))
	}
	if op.Heir != "" {
		lines = append(lines, fmt.Sprintf("The heir is %s.", op.Heir))
	}
	if l.stuck(op) && l.step.Loss {
		lines = append(lines, sentence("accepting the loss would give this up: "+l.loss(op).What))
	}
	if op.AcceptLoss {
		lines = append(lines, "The DBA has accepted the loss of what is missing.")
	}
	return lines
}

// sentence begins with a capital and ends with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
