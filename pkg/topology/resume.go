package topology

import (
	"strings"
	"time"
)

// resumeAbove is how far the numbers of a restored state go on above those that it was
// saved with: more than are given out between two of the saves that anybody makes.
const resumeAbove = 1000

// Resume returns a saved state as a ring goes on from it: numbers that may have been
// given out since it was saved (identities, boot tokens, operations, epochs, events) are
// not given out again. Whoever owns a unit by it owns it in a new epoch; what the members
// say is looked at as always, and a process that it does not know counts as restarted.
func Resume(saved *Snapshot) *Snapshot {
	s := saved.clone()
	s.NextIdentity += resumeAbove
	s.NextOperation += resumeAbove
	s.NextBoot += resumeAbove
	for i := range s.Units {
		s.Units[i].Epoch += resumeAbove
	}
	if s.Outbox != nil {
		s.Outbox.Next += resumeAbove
		s.Outbox.NextSilence += resumeAbove
		s.Outbox.Term = 0 // whatever raft's terms are from now on, the next leader says so
	}
	return s
}

// Beginning says who had a stopped node go on alone, or begin with a saved state, when, why, and
// by what. It is done beside raft, so it is put into the very state that the node begins with:
// it can not be missing there, nor stand there twice.
type Beginning struct {
	At       time.Time
	By       string
	Why      string
	What     string
	Evidence []string
}

// Begun returns s as a node begins with it, at that index of raft's, which no command has had.
// Before the outbox was opened, lines of the audit have no evidence: there it stands in what was
// done.
func (s *Snapshot) Begun(b Beginning, index uint64) *Snapshot {
	next := s.clone()
	next.Index = index
	if s.Outbox == nil {
		b.What = strings.Join(append([]string{b.What}, b.Evidence...), "; ")
	}
	f := Finding{What: b.What, Why: b.Why, Evidence: b.Evidence}.Clip()
	next.record(Command{Index: index, At: b.At, By: cut(b.By, maxSubject), Why: f.Why, Evidence: f.Evidence}, "node", "", f.What)
	next.trim()
	return next
}
