package topology

import (
	"fmt"
	"time"
)

// judgeBinlog is the verdict on an active member that answers, with the process that was
// admitted, and whose binlog lacks transactions of its own that another one was seen to
// have before: somebody has emptied it (RESET MASTER, RESET BINARY LOGS AND GTIDS). It gives
// out their numbers again, and what it writes under them is passed over by the others: so it
// is out at once, before its commits are let go without an acker (S81).
func judgeBinlog(s *Snapshot, m Member, seen Observation, o Observations, now time.Time) (judgement, bool) {
	own := seen.Binlog.Seq(m.Domain())
	for _, other := range s.Members {
		theirs, good := o.Good(other.ID, now)
		if other.ID == m.ID || other.State != MemberActive || !good || theirs.Boot != other.Boot || !theirs.At.Before(seen.Asked) || !seen.Carries(m) {
			continue
		}
		if has := theirs.Position().Seq(m.Domain()); has > own && m.Regain.Seq(m.Domain()) < has {
			return judgement{lost: true, why: fmt.Sprintf("the binlog of member %s was emptied by hand", m.ID), evidence: []string{
				fmt.Sprintf("%s has its own transactions up to %d, and %s had them up to %d before: RESET MASTER was typed there, or RESET BINARY LOGS AND GTIDS", m.ID, own, other.ID, has),
			}}, true
		}
	}
	return judgement{}, false
}

// emptiedTail is what stands of a member whose binlog was emptied while it ran: what it
// holds that the ring lacks can not be told from it.
func emptiedTail(m Member, own, has uint64) Tail {
	return Tail{
		Cut: m.Cut, Verdict: TailConflict,
		Why: fmt.Sprintf("its binlog was emptied by hand: it has its own transactions up to %d, the ring has them up to %d; what else it holds can not be told; its data anew: sqlring master reclone %s", own, has, m.ID),
	}
}

// known returns how far anybody but m has come with its transactions.
func known(m Member, o Observations) (own uint64) {
	for _, other := range o.Members {
		if other.Reach == ReachAnswers && other.Member != m.ID {
			own = max(own, other.Position().Seq(m.Domain()))
		}
	}
	return own
}
