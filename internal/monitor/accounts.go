package monitor

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// accounts is the newest list of accounts that a member gave.
type accounts struct {
	list *atomic.Pointer[[]topology.Account]
	ask  chan struct{} // capacity 1: one request to read again is enough
	read broadcast
}

func newAccounts() accounts {
	return accounts{list: &atomic.Pointer[[]topology.Account]{}, ask: make(chan struct{}, 1), read: newBroadcast()}
}

// Accounts returns the accounts as they were read last, nil before that. The
// caller must not change the list. It is safe for concurrent use.
func (m *Monitor) Accounts() []topology.Account {
	if list := m.accounts.list.Load(); list != nil {
		return *list
	}
	return nil
}

// Refresh asks for the accounts to be read again soon, and returns a channel
// that is closed once they were. It never blocks.
func (m *Monitor) Refresh() <-chan struct{} {
	done := m.accounts.read.wait()
	select {
	case m.accounts.ask <- struct{}{}:
	default:
	}
	return done
}

// watchAccounts reads the accounts at every interval, and when asked. Requests
// are at least a tenth of a second apart: whoever tries unknown names at the
// proxy must not turn into load on a member.
func (m *Monitor) watchAccounts(ctx context.Context) {
	const apart = 100 * time.Millisecond
	for ctx.Err() == nil {
		interval := m.cfg.Accounts
		if !m.readAccounts(ctx) {
			interval = min(interval, 250*time.Millisecond)
		}
		m.accounts.read.tell()
		pause(ctx, nil, apart)
		pause(ctx, m.accounts.ask, interval)
	}
}

func pause(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// readAccounts asks the owner of "*", where accounts are changed, or else any
// member that answers.
func (m *Monitor) readAccounts(ctx context.Context) bool {
	snap := m.snapshots.Snapshot()
	rest, _ := snap.Unit(topology.UnitRest)
	candidates := []topology.MemberID{rest.Owner}
	candidates = append(candidates, sortedIDs(snap)...)
	obs := m.Observations()
	for _, id := range candidates {
		member, ok := snap.Member(id)
		seen, _ := obs.Of(id)
		if !ok || seen.Reach != topology.ReachAnswers {
			continue
		}
		// A connection of its own is made for it: from far away that takes a while.
		actx, cancel := context.WithTimeout(ctx, 3*m.cfg.Timeout)
		list, err := m.prober.Accounts(actx, member)
		cancel()
		if err == nil {
			m.accounts.list.Store(&list)
			return true
		}
		m.cfg.Logger.Warn("read accounts", "member", string(id), "error", err)
	}
	return false
}
