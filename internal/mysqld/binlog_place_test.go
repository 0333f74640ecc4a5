package mysqld

import (
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Where the last commit stands is known by both values, or not at all.
func TestPlaceInTheBinlog(t *testing.T) {
	for file, want := range map[string]topology.BinlogPlace{
		"binlog.000007": {File: 7, Offset: 412}, "a.b.1000000": {File: 1_000_000, Offset: 412}, "": {}, "binlog": {},
	} {
		var o topology.Observation
		readSemiSync(table{rows: [][]string{{"BINLOG_SNAPSHOT_POSITION", "412"}, {"BINLOG_SNAPSHOT_FILE", file}}}, &o)
		if o.BinlogAt != want {
			t.Errorf("%q: %+v, want %+v", file, o.BinlogAt, want)
		}
	}
}
