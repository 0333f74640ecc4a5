package topology

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
		s.Outbox.Term = 0 // raft's terms begin anew
	}
	return s
}
