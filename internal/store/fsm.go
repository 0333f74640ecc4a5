package store

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// maxState bounds a snapshot that is read back. A full one (topology.MaxMembers,
// MaxEvents, …) is far below 1 MiB.
const maxState = 64 << 20

// machine is raft's view of the state: it applies commands by topology.Apply and
// publishes what comes out. It reads no clock and does no I/O of its own but save. It is
// called by replay, and after that by raft, from one goroutine.
type machine struct {
	board     *board
	failure   *failure
	committed func(index uint64) // told of each command that is applied
	// save keeps on disk that all up to index is committed; nil: nothing is kept.
	save func(index uint64) error

	seen  uint64 // the last command that was handed over
	ahead uint64 // the last command that replay applied; raft is to repeat it
}

// replayed ends the replay: from now on raft hands over the same entries again.
func (m *machine) replayed() { m.ahead, m.seen = m.seen, 0 }

// Apply implements raft.FSM. The response is nil, ErrRefused with the reason, or
// ErrFailed. A command that can not be read fails the store: to skip it would
// let this node's state drift from the others'.
func (m *machine) Apply(l *raft.Log) any {
	if err := m.failure.err(); err != nil {
		return err
	}
	m.seen = l.Index
	if l.Index <= m.ahead {
		return nil // nobody waits for this response
	}
	c, err := topology.DecodeCommand(l.Data)
	if err != nil {
		m.failure.set(fmt.Errorf("apply log entry %d: %w", l.Index, err))
		return m.failure.err()
	}
	m.committed(l.Index)
	c.Index = l.Index
	next, err := topology.Apply(m.board.latest.Load(), c)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if _, fences := c.Change.(topology.SetIsolation); fences && m.save != nil {
		// What a node says of its leases rests on this: killed, it must not begin with an earlier one (S121).
		if err := m.save(l.Index); err != nil {
			m.failure.set(err)
			return m.failure.err()
		}
	}
	m.board.publish(next)
	return nil
}

// Snapshot implements raft.FSM. A failed store gives none: raft would take it
// for the state after entries that were never applied, and drop them. Nor is one
// given before raft has come to where the replay ended: it would be labelled with
// an index that its content is ahead of.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	if err := m.failure.err(); err != nil {
		return nil, err
	}
	if m.seen < m.ahead {
		return nil, fmt.Errorf("snapshot: raft is at %d, the state at %d", m.seen, m.ahead)
	}
	return frozen{m.board.latest.Load()}, nil
}

// Restore implements raft.FSM. It replaces the whole state, unless that was
// replayed from this snapshot and entries after it: at its start raft restores
// what stands on disk. A snapshot that can not be read fails the store, so that
// raft does not fall back to an older one.
func (m *machine) Restore(from io.ReadCloser) error {
	err := m.restore(from)
	if err != nil {
		m.failure.set(err)
	}
	return errors.Join(err, from.Close())
}

func (m *machine) restore(from io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(from, maxState+1))
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	if len(data) > maxState {
		return fmt.Errorf("read snapshot: it has more than %d bytes", maxState)
	}
	s, err := topology.DecodeSnapshot(data)
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	if s.Index <= m.ahead {
		return nil
	}
	m.ahead = 0
	m.board.publish(s)
	return nil
}

// frozen is a snapshot on its way to disk or to a follower.
type frozen struct{ state *topology.Snapshot }

// Persist implements raft.FSMSnapshot.
func (f frozen) Persist(sink raft.SnapshotSink) error {
	data, err := topology.EncodeSnapshot(f.state)
	if err == nil {
		_, err = sink.Write(data)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write snapshot: %w", err), sink.Cancel())
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot. The state is immutable: nothing to free.
func (f frozen) Release() {}
