package topology

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Verdict is what the controller makes of one member now, for people to read:
// the same judgement as the one that begins a heal.
type Verdict struct {
	Member   MemberID
	Lost     bool     // an active member that is judged lost (S7, S10)
	Why      string   // one sentence, never empty
	Evidence []string // what was seen: of the member, and by the neighbour that pulls from it
	Severed  string   // not empty: the member's site and the leader's do not reach each other, and a third one reaches both
}

// Verdicts judges every member, in ring order. A member that is not active is
// never lost: it is out already, or not in yet, and Why says which. Nor is any
// while the ring is brought up again after every member was restarted.
func Verdicts(s *Snapshot, o Observations, now time.Time) []Verdict {
	running, _ := s.Running()
	verdicts := make([]Verdict, 0, len(s.Members))
	for _, m := range s.Members {
		v := Verdict{Member: m.ID}
		switch {
		case m.State != MemberActive:
			v.Why = fmt.Sprintf("member %s is %s", m.ID, m.State)
		case running.Kind == OperationRestart:
			v.Why = fmt.Sprintf("member %s was restarted with all others, %s brings it up again", m.ID, running.ID)
		default:
			judged := judge(s, m, o, now)
			v.Lost, v.Why, v.Evidence = judged.lost, judged.why, slices.Clone(judged.evidence)
		}
		if cut, ok := severed(s, m.Site, o, now); ok {
			v.Severed = cut.String()
		}
		if len(v.Evidence) == 0 {
			v.Evidence = evidenceOf(s, m, o, now)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// evidenceOf says what was seen of a member that is not judged lost.
func evidenceOf(s *Snapshot, m Member, o Observations, now time.Time) []string {
	seen, good := o.Good(m.ID, now)
	line := fmt.Sprintf("%s: %s", m.ID, describeReach(seen, now))
	switch {
	case good && m.State == MemberActive && seen.Boot == m.Boot:
		line = fmt.Sprintf("%s answers with the process that was admitted (boot token %d)", m.ID, m.Boot)
	case good:
		line = fmt.Sprintf("%s answers (boot token %d)", m.ID, seen.Boot)
	}
	if _, pulls := neighbours(s, m, o, now); pulls.Member != "" {
		return []string{line, fmt.Sprintf("%s, which pulls from it: receiver %s", pulls.Member, pulls.Link.Receiver)}
	}
	return []string{line}
}

// Seen says what was seen of each member when something was decided, in ring order: the
// evidence of a command of the controller's ([Command.Evidence]).
func Seen(s *Snapshot, o Observations, now time.Time) []string {
	var lines []string
	for _, m := range s.Members {
		line := evidenceOf(s, m, o, now)
		if seen, good := o.Good(m.ID, now); good {
			gate := "open"
			if seen.ReadOnly {
				gate = "read-only"
			}
			line[0] += fmt.Sprintf(", %s, has %s", gate, cmp.Or(seen.Position().String(), "nothing"))
		}
		lines = append(lines, line...)
	}
	return Finding{Evidence: lines}.Clip().Evidence
}

// Accept returns the DBA's word that op goes on without what is lost, as far as
// is known now. Who is lost later is not covered by it.
func Accept(s *Snapshot, op Operation, o Observations, now time.Time) AcceptLoss {
	word := AcceptLoss{Operation: op.ID}
	for _, m := range s.Members {
		seen, good := o.Good(m.ID, now)
		if isActive(m) && (good && seen.Boot != m.Boot || failing(seen, now)) {
			word.Without = append(word.Without, m.ID)
		}
	}
	return word
}

// Accepted reports whether the DBA's word covers what is lost now.
func Accepted(s *Snapshot, op Operation, o Observations, now time.Time) bool {
	lost := Accept(s, op, o, now).Without
	return op.AcceptLoss && !slices.ContainsFunc(lost, func(id MemberID) bool { return !slices.Contains(op.Without, id) })
}

// Survivor is a member that may inherit in a heal, by what is seen now.
type Survivor struct {
	Member   MemberID
	Heir     bool     // it would be chosen now; of all survivors exactly one
	Position Position // everything that it has
	Missing  Position // what it lacks of the operation's Mark; to be reached
	Lacks    uint64   // the same, as a number of transactions
}

// Survivors lists, in ring order, who is left of the loss that op heals. It
// counts as the plan does: with AcceptLoss a member that was restarted is a
// survivor too. Asked about op with AcceptLoss set, it thus says what that word
// would give up: what the heir is Missing. It is empty if nobody is left, and if
// op is not a heal.
func Survivors(s *Snapshot, op Operation, o Observations, now time.Time) []Survivor {
	lost, ok := s.Member(op.Member)
	if op.Kind != OperationHeal || !ok {
		return nil
	}
	alive := restartedToo(s, o, now)
	if !op.AcceptLoss {
		alive = slices.DeleteFunc(alive, func(m Member) bool {
			seen, _ := o.Of(m.ID)
			return seen.Boot != m.Boot
		})
	}
	if len(alive) == 0 {
		return nil
	}
	heir := heal{s: s, op: op, lost: lost, alive: alive, o: o, now: now}.best().ID
	if among(alive, op.Heir) {
		heir = op.Heir
	}
	survivors := make([]Survivor, 0, len(alive))
	for _, m := range alive {
		seen, _ := o.Of(m.ID)
		has := seen.Position()
		survivors = append(survivors, Survivor{
			Member: m.ID, Heir: m.ID == heir, Position: has, Missing: has.Missing(op.Mark), Lacks: has.Behind(op.Mark),
		})
	}
	return survivors
}
