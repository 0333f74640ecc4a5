package topology

import (
	"fmt"
	"slices"
)

// tellChanges tells how s differs from before, of what raft alone decides: members,
// units, semi-sync, operations. Whoever changes the state need not think of it.
func (s *Snapshot) tellChanges(before *Snapshot, c Command) {
	if s.Outbox == nil || before.Outbox == nil {
		return // OpenOutbox tells what is there
	}
	s.tellRing(before, c)
	for _, m := range s.Members {
		was, known := before.Member(m.ID)
		s.tellMember(was, known, m, c)
	}
	for _, m := range before.Members {
		if _, ok := s.Member(m.ID); !ok {
			s.tell(c, Notice{Topic: TopicMember, Subject: string(m.ID), Member: m.ID, From: m.State.String(), To: "removed", What: fmt.Sprintf("%s is not of the ring any more", m.ID)}, false)
		}
	}
	for _, u := range s.Units {
		if was, ok := before.Unit(u.ID); !ok || was.Owner != u.Owner {
			s.tellOwner(was, ok, u, c)
		}
	}
	for _, op := range s.Operations {
		if was, ok := before.Operation(op.ID); !ok || was.State != op.State {
			s.tellOperation(was, ok, op, c)
		}
	}
}

// tellPresent tells what stands when the outbox is opened: nobody was told before.
func (s *Snapshot) tellPresent(c Command) {
	for _, m := range s.Members {
		if isOut(m) {
			s.tellMember(Member{}, false, m, c)
		} else if m.SemiSync == SemiSyncDegraded {
			s.tellSemiSync(Member{}, m, c)
		}
	}
}

// tell adds a notice with the reason and the evidence of the command.
func (s *Snapshot) tell(c Command, n Notice, stands bool) {
	if n.Why == "" {
		n.Why = c.Why
	}
	if len(n.Evidence) == 0 {
		n.Evidence = s.evidenceOf(c)
	}
	f := Finding{Subject: n.Subject, To: n.To, What: n.What, Why: n.Why, Remedy: n.Remedy, Evidence: n.Evidence}.Clip()
	n.Subject, n.What, n.Why, n.Remedy, n.Evidence = f.Subject, f.What, f.Why, f.Remedy, f.Evidence
	s.Outbox.tell(c, n, stands)
}

// evidenceOf returns what a command was based on.
func (s *Snapshot) evidenceOf(c Command) []string {
	for i := len(s.Events) - 1; i >= 0 && s.Events[i].Index == c.Index; i-- {
		if len(s.Events[i].Evidence) > 0 {
			return s.Events[i].Evidence
		}
	}
	return c.Evidence
}

func (s *Snapshot) tellRing(before *Snapshot, c Command) {
	if s.Ring == nil || len(before.Units) > 0 || len(s.Units) == 0 {
		return
	}
	s.tell(c, Notice{Topic: TopicRing, Subject: s.Ring.Name, From: "being made", To: "open", What: fmt.Sprintf("ring %s is open", s.Ring.Name)}, false)
}

func isOut(m Member) bool { return m.State != MemberActive && m.State != MemberJoining }

func (s *Snapshot) tellMember(was Member, known bool, m Member, c Command) {
	if !known || was.State != m.State {
		n := Notice{
			Topic: TopicMember, Subject: string(m.ID), Member: m.ID, To: m.State.String(),
			What: fmt.Sprintf("%s is %s", m.ID, m.State), Why: m.Why,
		}
		if known {
			n.From = was.State.String()
		}
		switch m.State {
		case MemberJoining, MemberActive:
		case MemberLeaving:
			n.Remedy = "nothing: it is being removed; to have it stay: sqlring operation abort"
		case MemberMaintained: // nobody is called for it
			n.Remedy = fmt.Sprintf("nothing: it comes back by itself; at once: sqlring master maintenance %s --end", m.ID)
		case MemberDown:
			n.Severity, n.Remedy = UrgencyWarning, "start its server again: it is let back in by itself, once what only it holds was judged"
		case MemberReturning:
			n.Severity, n.Remedy = UrgencyWarning, "nothing: it is caught up and let in by itself; sqlring operation list shows how far it is"
		case MemberQuarantined:
			n.Severity, n.Remedy = UrgencyCritical, fmt.Sprintf("it holds transactions that the others lack: sqlring why %s, then sqlring master rejoin %s", m.ID, m.ID)
			if m.Emptied != "" {
				n.Remedy = fmt.Sprintf("its data anew: sqlring master reclone %s", m.ID)
			}
		case MemberHeld:
			n.Severity, n.Remedy = UrgencyWarning, fmt.Sprintf("it stays out until it is let in by word: sqlring master rejoin %s", m.ID)
		}
		s.tell(c, n, isOut(m))
	} else if was.Drained != m.Drained && !isOut(m) {
		from, to := "serving", "drained"
		if !m.Drained {
			from, to = to, from
		}
		s.tell(c, Notice{Topic: TopicMember, Subject: string(m.ID), Member: m.ID, From: from, To: to, What: fmt.Sprintf("%s is %s", m.ID, to)}, false)
	}
	if was.SemiSync != m.SemiSync {
		s.tellSemiSync(was, m, c)
	}
}

func (s *Snapshot) tellSemiSync(was, m Member, c Command) {
	n := Notice{
		Topic: TopicSemiSync, Subject: string(m.ID), Member: m.ID, From: was.SemiSync.String(), To: m.SemiSync.String(),
		What: fmt.Sprintf("semi-sync of %s is %s", m.ID, m.SemiSync),
	}
	if m.SemiSync == SemiSyncDegraded {
		n.Severity = UrgencyWarning
		n.What = fmt.Sprintf("commits of %s wait for no other member: what it alone has is lost if its disk is", m.ID)
		n.Remedy = "bring the members back that are out: sqlring status"
	}
	s.tell(c, n, m.SemiSync == SemiSyncDegraded)
}

// unplanned reports whether an operation that is under way, or is ended by c, is one
// that nobody wished for.
func (s *Snapshot) unplanned(c Command) bool {
	return slices.ContainsFunc(s.Operations, func(op Operation) bool {
		now := op.State == OperationRunning || op.Ended.Equal(c.At)
		return now && (op.Kind == OperationHeal || op.Kind == OperationRestart)
	})
}

func (s *Snapshot) tellOwner(was Unit, known bool, u Unit, c Command) {
	name := func(id MemberID) string {
		if id == "" {
			return "nobody"
		}
		return string(id)
	}
	n := Notice{
		Topic: TopicUnit, Subject: string(u.ID), Member: u.Owner, To: name(u.Owner),
		What: fmt.Sprintf("unit %s is owned by %s, in epoch %d", u.ID, name(u.Owner), u.Epoch),
	}
	if u.Owner == "" {
		n.What = fmt.Sprintf("unit %s is taken from %s, its writes wait", u.ID, name(was.Owner))
		n.Remedy = "nothing, if it has an owner again within seconds; else sqlring why"
	}
	if known {
		n.From = name(was.Owner)
	}
	if s.unplanned(c) {
		n.Severity = UrgencyWarning
	}
	s.tell(c, n, false)
}

func (s *Snapshot) tellOperation(was Operation, known bool, op Operation, c Command) {
	n := Notice{
		Topic: TopicOperation, Subject: string(op.ID), Member: op.Member, To: op.State.String(),
		What: fmt.Sprintf("%s (%s) is %s", op.ID, op.Kind, op.State),
	}
	if op.Member != "" {
		n.What = fmt.Sprintf("%s (%s of %s) is %s", op.ID, op.Kind, op.Member, op.State)
	}
	if known {
		n.From = was.State.String()
	}
	unplanned := op.Kind == OperationHeal || op.Kind == OperationRestart
	if op.State == OperationAborted || op.State == OperationRunning && unplanned {
		n.Severity, n.Remedy = UrgencyWarning, "sqlring operation show "+string(op.ID)
	}
	s.tell(c, n, false)
}
