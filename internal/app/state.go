package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/store"
	"github.com/sqlring/sqlring/pkg/topology"
)

// maxState bounds a state file, in bytes.
const maxState = 64 << 20

// ReadState reads a file that `raft snapshot save` wrote, and verifies it: it is whole,
// of a release that this one can read, and by the law of the ring.
func ReadState(path string) (api.SavedState, *topology.Snapshot, error) {
	var saved api.SavedState
	info, err := os.Stat(path)
	if err != nil {
		return saved, nil, err
	}
	if info.Size() > maxState {
		return saved, nil, fmt.Errorf("%s has more than %d bytes: it is no saved state", path, maxState)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return saved, nil, err
	}
	if err := json.Unmarshal(data, &saved); err != nil || saved.Kind != api.StateKind {
		return saved, nil, errors.Join(fmt.Errorf("%s is not what `sqlring raft snapshot save` writes", path), err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, saved.State); err != nil {
		return saved, nil, fmt.Errorf("%s: %w", path, err)
	}
	sum := sha256.Sum256(compact.Bytes())
	if hex.EncodeToString(sum[:]) != saved.SHA256 {
		return saved, nil, fmt.Errorf("%s is damaged: its checksum is not that of its content: use another copy", path)
	}
	state, err := topology.DecodeSnapshot(compact.Bytes())
	if err != nil {
		return saved, nil, fmt.Errorf("%s: %w", path, err)
	}
	return saved, state, nil
}

// ErrHasState says that a node has a state, so that it does not begin with a saved one;
// ErrNoState that it has none that it could go on with.
var (
	ErrHasState = store.ErrHasState
	ErrNoState  = store.ErrNoState
)

// RestoreState has the node of cfg, which is stopped and has no state, begin with a
// saved one, as the only voter. by says who does it, when, why and from what, for the audit.
func RestoreState(cfg Config, state *topology.Snapshot, by topology.Beginning, logger *slog.Logger) error {
	return offline(cfg, logger, func(s store.Config) error { return store.Restore(s, state, by) })
}

// Recover has the node of cfg, which is stopped, go on alone with what it has. by says who
// does it, when and why, for the audit.
func Recover(cfg Config, by topology.Beginning, logger *slog.Logger) error {
	return offline(cfg, logger, func(s store.Config) error { return store.Recover(s, by) })
}

// Remains says what the node of cfg, which is stopped, has on its disk, a sentence a line; used
// is false if that is no state. It changes nothing.
func Remains(cfg Config, logger *slog.Logger) (lines []string, used bool, err error) {
	s, err := cfg.store()
	if err != nil {
		return nil, false, err
	}
	s.Logger, s.Join, s.Expect = logger, nil, 0
	r, err := store.Examine(s)
	return r.Lines(), r.Used, err
}

func offline(cfg Config, logger *slog.Logger, do func(store.Config) error) error {
	s, err := cfg.store()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	s.Logger, s.Join, s.Expect = logger, nil, 0
	return do(s)
}
