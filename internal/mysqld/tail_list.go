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

func openTailList(dir string, id topology.MemberID) (*tailList, error) {
	if dir == "" {
		return &tailList{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("list tail: %w", err)
	}
	path := filepath.Join(dir, "tail-"+string(id)+".jsonl")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
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

// close returns once the list is on the disk.
func (l *tailList) close() error {
	if l.file == nil {
		return nil
	}
	return errors.Join(l.out.Flush(), l.file.Sync(), l.file.Close())
}
