package store

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

// How a leader that is gone is succeeded.
const (
	knockTimeout = 200 * time.Millisecond // of one connection attempt to it
	knockAgain   = 20 * time.Millisecond  // between two of them
	knocks       = 10                     // at most: a process takes a moment to end
	succeedTurn  = 100 * time.Millisecond // between the voters, so that they do not split the vote
)

// succeed stands for election at once when the process of the leader is gone, until the
// port is closed. Raft waits for its heartbeat timeout else, and the units that are on
// their way just then wait with it. A connection of raft's that ends is the reason to
// look; that the leader's port is refused, twice, is the evidence: its host answers, and
// nothing listens there. A leader that is frozen, cut off or without power is waited for
// as ever. When an election begins matters for no law: it may be begun for nothing, and
// is then lost or won like any other.
func (s *Store) succeed() {
	for {
		select {
		case <-s.port.closing:
			return
		case <-s.port.ended:
		}
		addr, id := s.raft.LeaderWithID()
		turn, stands := s.turn(id)
		if !stands || !s.port.gone(string(addr)) || turn > 0 && (!s.port.pause(time.Duration(turn)*succeedTurn) || !s.port.refused(string(addr))) {
			continue
		}
		// Who stood before it and lacked a part of the log has lost; the term is another one then.
		if _, now := s.raft.LeaderWithID(); now != id && now != "" || s.raft.State() != raft.Follower {
			continue // somebody else was faster
		}
		s.log.Info("the process of the leader is gone, this node stands for election", "leader", id)
		s.askItself()
	}
}

// turn returns how many voters come before this node as successors of the leader, by
// name, and whether it is one at all.
func (s *Store) turn(leader raft.ServerID) (turn int, stands bool) {
	self := raft.ServerID(s.cfg.NodeID)
	if s.cfg.Witness || leader == "" || leader == self || s.raft.State() != raft.Follower {
		return 0, false
	}
	future := s.raft.GetConfiguration()
	if future.Error() != nil {
		return 0, false // raft has been shut down
	}
	var voters []raft.ServerID
	for _, server := range future.Configuration().Servers {
		if server.Suffrage == raft.Voter && server.ID != leader {
			voters = append(voters, server.ID)
		}
	}
	slices.Sort(voters)
	turn = slices.Index(voters, self)
	return turn, turn >= 0
}

// gone reports whether an address refuses twice in a row.
func (p *port) gone(addr string) bool {
	refusals := 0
	for range knocks {
		if refusals++; !p.refused(addr) {
			refusals = 0
		}
		if refusals == 2 {
			return true
		}
		if !p.pause(knockAgain) {
			return false
		}
	}
	return false
}

// refused reports whether the host of an address says that nothing listens there. No
// answer, and any other one, is none.
func (p *port) refused(addr string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), knockTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// pause waits, and reports whether the port is still open.
func (p *port) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.closing:
		return false
	case <-timer.C:
		return true
	}
}
