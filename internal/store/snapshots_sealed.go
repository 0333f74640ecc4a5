package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"
)

// sealedSnapshots puts a copy of a snapshot's head (index, term, voters) in front
// of its content, and compares the two when it is opened. raft has a checksum
// over the content only, and a wrong index or a wrong voter does more harm than a
// wrong byte of the state.
type sealedSnapshots struct{ raft.SnapshotStore }

// Create implements raft.SnapshotStore.
func (s sealedSnapshots) Create(version raft.SnapshotVersion, index, term uint64, voters raft.Configuration,
	votersIndex uint64, trans raft.Transport,
) (raft.SnapshotSink, error) {
	sink, err := s.SnapshotStore.Create(version, index, term, voters, votersIndex, trans)
	if err != nil {
		return nil, err
	}
	head := snapshotHead(&raft.SnapshotMeta{Index: index, Term: term, Configuration: voters, ConfigurationIndex: votersIndex})
	if _, err := sink.Write(head); err != nil {
		return nil, errors.Join(fmt.Errorf("write snapshot: %w", err), sink.Cancel())
	}
	return sink, nil
}

// Open implements raft.SnapshotStore. It returns ErrDamaged if the checksum or
// the head is wrong.
func (s sealedSnapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, content, err := s.SnapshotStore.Open(id)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: snapshot %s: %w", ErrDamaged, id, err)
	}
	want := snapshotHead(meta)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(content, got); err != nil || !bytes.Equal(got, want) {
		return nil, nil, errors.Join(fmt.Errorf("%w: snapshot %s: its head was changed", ErrDamaged, id), content.Close())
	}
	meta.Size -= int64(len(want)) // raft announces the size before it sends what it reads
	return meta, content, nil
}

func snapshotHead(meta *raft.SnapshotMeta) []byte {
	voters := raft.EncodeConfiguration(meta.Configuration)
	var head []byte
	for _, n := range []uint64{meta.Index, meta.Term, meta.ConfigurationIndex, uint64(len(voters))} {
		head = binary.BigEndian.AppendUint64(head, n)
	}
	return append(head, voters...)
}
