package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Remains is what a stopped node has on its disk. The zero value: nothing.
type Remains struct {
	Used     bool   // it has a state, or votes
	Peers    []Peer // the newest configuration that it knows
	First    uint64 // oldest entry in the log; 0: the log is empty
	Last     uint64
	Commit   uint64 // how much of it this node knew to be committed
	Term     uint64 // the newest that it has taken part in
	Snapshot uint64 // where the newest one ends; 0: there is none
}

// Examine verifies what a stopped node has on its disk, and changes nothing but what each start
// puts in order: a log that a snapshot has overtaken is emptied. Errors: as Open's.
func Examine(cfg Config) (r Remains, err error) {
	_, noLog := os.Stat(filepath.Join(cfg.Dir, logFile))
	snapshots, _ := os.ReadDir(filepath.Join(cfg.Dir, snapshotDir))
	if errors.Is(noLog, os.ErrNotExist) && len(snapshots) == 0 {
		return Remains{}, nil
	}
	err = offline(cfg, func(s *Store, snaps raft.SnapshotStore) error {
		r, err = s.remains(snaps)
		return err
	})
	return r, err
}

func (s *Store) remains(snaps raft.SnapshotStore) (Remains, error) {
	used, err := raft.HasExistingState(s.disk, s.disk, snaps)
	if err != nil {
		return Remains{}, err
	}
	newest, err := newestSnapshot(s.cfg.Dir, snaps)
	if err != nil {
		return Remains{}, err
	}
	st := *s.disk.state.Load()
	r := Remains{Used: used, First: st.first, Last: st.last, Commit: max(st.commit, newest.Index), Snapshot: newest.Index}
	if r.Term, err = s.disk.GetUint64([]byte(keyTerm)); err != nil && !errors.Is(err, errNotFound) {
		return Remains{}, err
	}
	voters := newest.Configuration
	for index := st.first; index > 0 && index <= st.last; index++ {
		var l raft.Log
		if err := s.disk.GetLog(index, &l); err != nil {
			return Remains{}, fmt.Errorf("read log entry %d: %w", index, err)
		}
		if l.Type == raft.LogConfiguration {
			voters = raft.DecodeConfiguration(l.Data)
		}
	}
	for _, server := range voters.Servers {
		r.Peers = append(r.Peers, Peer{topology.NodeID(server.ID), string(server.Address), server.Suffrage == raft.Voter})
	}
	return r, nil
}

// Lines says it for people, a sentence a line.
func (r Remains) Lines() []string {
	if !r.Used {
		return []string{"there is no state"}
	}
	var lines, peers []string
	for _, p := range r.Peers {
		part := "observer"
		if p.Voter {
			part = "voter"
		}
		peers = append(peers, fmt.Sprintf("%s (%s, %s)", p.ID, part, p.Addr))
	}
	lines = append(lines, "raft's configuration was "+strings.Join(peers, ", "))
	log := "the log is empty"
	if r.First > 0 {
		log = fmt.Sprintf("the log goes from %d to %d", r.First, r.Last)
	}
	lines = append(lines, fmt.Sprintf("%s, the newest snapshot to %d, the term is %d", log, r.Snapshot, r.Term))
	if r.Last > r.Commit {
		lines = append(lines, fmt.Sprintf("committed, as this node knew, was %d: what follows is taken for committed", r.Commit))
	}
	return lines
}

// without says whom a node leaves behind that goes on alone.
func (r Remains) without(self topology.NodeID) string {
	var others []string
	for _, p := range r.Peers {
		if p.ID != self {
			others = append(others, string(p.ID))
		}
	}
	if len(others) == 0 {
		return ""
	}
	return ", without " + strings.Join(others, ", ")
}
