package mysqld

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sqlring/sqlring/pkg/topology"
)

// tailEntry is one line of a tail's list: a statement, or the rows that one event
// changed (for an update: before, after, before, after, …).
type tailEntry struct {
	GTID      string  `json:"gtid"` // of the transaction that it is a part of
	Domain    uint32  `json:"domain"`
	Own       bool    `json:"own"`  // the member wrote it, under an identity that it has or had
	Kind      string  `json:"kind"` // insert, update, delete, statement, xa, event
	Schema    string  `json:"schema,omitempty"`
	Table     string  `json:"table,omitempty"`
	Statement string  `json:"statement,omitempty"`
	Rows      [][]any `json:"rows,omitempty"`
	Raw       []byte  `json:"raw,omitempty"` // an event that is not known, as it stands in the binlog
}

// tailList writes what a returning member alone holds, one JSON object a line,
// so that nothing is thrown away unseen. The zero path means that nothing is
// listed. It holds the application's data: only the owner may read the file.
type tailList struct {
	path string
	file *os.File
	out  *bufio.Writer
}

// openTailList begins a list that ends at a position. It gets its name when it is
// closed: one of another tail, or of an earlier look at this one, stays as it is
// until then.
func openTailList(dir string, id topology.MemberID, end topology.Position) (*tailList, error) {
	if dir == "" {
		return &tailList{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("list tail: %w", err)
	}
	name := "tail-" + string(id)
	for _, g := range end[:min(len(end), maxNamed)] {
		name += "_" + g.String()
	}
	path := filepath.Join(dir, name+".jsonl")
	file, err := os.OpenFile(path+unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("list tail: %w", err)
	}
	return &tailList{path: path, file: file, out: bufio.NewWriter(file)}, nil
}

func (l *tailList) add(e tailEntry) error {
	if l.file == nil {
		return nil
	}
	text, err := json.Marshal(e)
	if err == nil {
		_, err = l.out.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("list tail: %w", err)
	}
	return nil
}

// unfinished is how the name of a list ends that is being written.
const unfinished = ".part"

// maxNamed bounds how many positions the name of a list has.
const maxNamed = 4

// close returns once the list is on the disk, under its name.
func (l *tailList) close() error {
	if l.file == nil {
		return nil
	}
	if err := errors.Join(l.out.Flush(), l.file.Sync(), l.file.Close()); err != nil {
		return err
	}
	return os.Rename(l.path+unfinished, l.path)
}
