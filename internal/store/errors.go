package store

import (
	"errors"
	"fmt"
)

// What callers branch on. Each comes wrapped with what was attempted.
var (
	// ErrNotLeader says that this node does not lead; nothing was appended. Ask
	// the node that Leader names, or wait.
	ErrNotLeader = errors.New("this node does not lead")

	// ErrRefused says that the command was committed and that topology.Apply
	// refused it, on every node alike: the state is as before. It wraps Apply's
	// error (topology.ErrStale, topology.ErrLaw). Look at the state again.
	ErrRefused = errors.New("command refused")

	// ErrOutcomeUnknown says that the command may or may not be committed, now or
	// later: leadership was lost, the disk failed or the time ran out after it was
	// handed to raft. Look whether its effect is there before proposing again.
	ErrOutcomeUnknown = errors.New("outcome unknown")

	// ErrBusy says that raft did not take the command in time; nothing was
	// appended. Try again later.
	ErrBusy = errors.New("raft is busy")

	// ErrLeading says that Lead is running already.
	ErrLeading = errors.New("the leadership scope is in use")

	// ErrFailed says that this node left raft because it can not read a command,
	// a snapshot or its disk; the cause is wrapped. Reads go on. Remedy: the newer
	// release or a sound disk, and a restart.
	ErrFailed = errors.New("the store has failed")

	// ErrStopped says that Stop was called.
	ErrStopped = errors.New("the store is stopped")

	// ErrDamaged says that what is on disk is not what was written. Whoever opens
	// the directory is told the way out with it.
	ErrDamaged = errors.New("store is damaged")

	// ErrLocked says that another process uses the directory. Stop it, or give
	// this node a directory of its own.
	ErrLocked = errors.New("store is in use by another process")

	// ErrForeign says that the directory belongs to another node or to a later
	// release. Use the node id and the release that wrote it.
	ErrForeign = errors.New("store was written by another")
)

// errNotFound answers for a key that was never set. raft compares the text.
var errNotFound = errors.New("not found")

// wayOut adds to an error that wraps ErrDamaged what is to be done; others are as they were.
// Whether the node is one of several can not be told from a disk that is damaged.
func wayOut(cfg Config, err error) error {
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w; nothing is repaired in place. Of several nodes: sqlring raft remove %s on another one, move %s away, and start this one without bootstrap_expect: it joins anew. "+
		"The only node: move %s away, then sqlring raft snapshot restore SAVED --config FILE; without a saved state: docs/nodes.md, the only node", err, cfg.NodeID, cfg.Dir, cfg.Dir)
}
