package mysqld

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// tables is a catalogue in which shop.t may take inserts and shop.mem is MEMORY.
type tables struct{}

func (tables) key(_ context.Context, schema, name string) (tableKey, error) {
	if schema == "shop" && name == "t" {
		return tableKey{columns: 2, auto: 0, simple: true}, nil
	}
	return tableKey{columns: 2, auto: -1}, nil
}

func (tables) volatile(_ context.Context, schema, name string) (bool, error) {
	return schema == "shop" && name == "mem", nil
}

func event(t replication.EventType, body replication.Event) *replication.BinlogEvent {
	return &replication.BinlogEvent{Header: &replication.EventHeader{EventType: t}, Event: body, RawData: []byte("raw")}
}

func generic(t replication.EventType) *replication.BinlogEvent {
	return event(t, &replication.GenericEvent{})
}

func begin(domain uint32, seq uint64, flags byte) *replication.BinlogEvent {
	return event(replication.MARIADB_GTID_EVENT, &replication.MariadbGTIDEvent{
		GTID: gomysql.MariadbGTID{DomainID: domain, ServerID: domain, SequenceNumber: seq}, Flags: flags,
	})
}

func query(schema, text string) *replication.BinlogEvent {
	return event(replication.QUERY_EVENT, &replication.QueryEvent{Schema: []byte(schema), Query: []byte(text)})
}

func rows(kind replication.EventType, table string, values ...any) *replication.BinlogEvent {
	schema, name, _ := strings.Cut(table, ".")
	return event(kind, &replication.RowsEvent{
		Table: &replication.TableMapEvent{Schema: []byte(schema), Table: []byte(name)}, Rows: [][]any{values},
	})
}

func insert() *replication.BinlogEvent {
	return rows(replication.WRITE_ROWS_EVENTv1, "shop.t", int32(1), int32(7))
}

func xid() *replication.BinlogEvent { return event(replication.XID_EVENT, &replication.XIDEvent{}) }

const (
	alone = replication.BINLOG_MARIADB_FL_STANDALONE
	trans = replication.BINLOG_MARIADB_FL_TRANSACTIONAL
)

// TestEventsOfATail reads 101-101-5 on and 0-1-1 on; the member is 101.
func TestEventsOfATail(t *testing.T) {
	type events = []*replication.BinlogEvent
	const (
		empty, flows, conflict = topology.TailEmpty, topology.TailMayFlow, topology.TailConflict
		unknown                = "not known to be harmless"
	)
	for _, c := range []struct {
		name  string
		in    events
		want  topology.TailVerdict
		count int
		kinds string
		why   string
	}{
		{name: "an insert", in: events{begin(101, 6, trans), generic(replication.MARIADB_ANNOTATE_ROWS_EVENT), generic(replication.TABLE_MAP_EVENT), insert(), xid()}, want: flows, count: 1, kinds: "insert"},
		{name: "framed by words", in: events{begin(101, 6, 0), query("shop", "BEGIN"), insert(), query("shop", "SAVEPOINT `a``b`"), query("", "ROLLBACK TO `a``b`"), query("shop", "COMMIT")}, want: flows, count: 1, kinds: "insert"},
		{name: "compressed", in: events{begin(101, 6, trans), rows(replication.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1, "shop.t", int32(1), int32(7)), xid()}, want: flows, count: 1, kinds: "insert"},
		{name: "more columns than the table has now", in: events{begin(101, 6, trans), rows(replication.WRITE_ROWS_EVENTv1, "shop.t", int32(1), int32(7), int32(7)), xid()}, want: conflict, count: 1, kinds: "insert", why: "columns have changed"},
		{name: "a heartbeat", in: events{begin(101, 6, trans), rows(replication.UPDATE_ROWS_EVENTv1, "sqlring.heartbeat"), xid()}, want: empty},
		{name: "another table of sqlring", in: events{begin(101, 6, trans), rows(replication.UPDATE_ROWS_EVENTv1, "sqlring.other"), xid()}, want: conflict, count: 1, kinds: "update", why: "update in sqlring.other"},
		{name: "a heartbeat of another domain", in: events{begin(0, 2, trans), rows(replication.UPDATE_ROWS_EVENTv1, "sqlring.heartbeat"), xid()}, want: empty},
		{name: "an insert of another domain", in: events{begin(0, 2, trans), insert(), xid()}, want: conflict, count: 1, kinds: "insert", why: "domain 0, not of the member's own 101"},
		{name: "a domain that is not named", in: events{begin(102, 6, 0), insert(), query("", "DROP TABLE t"), generic(250), query("", "COMMIT")}, want: empty},
		{name: "below the cut", in: events{begin(101, 5, 0), query("", "DROP TABLE t"), generic(250), query("", "COMMIT")}, want: empty},

		{name: "statement, default schema shop", in: events{begin(101, 6, alone), query("shop", "DROP TABLE t")}, want: conflict, count: 1, kinds: "statement", why: "DROP TABLE t"},
		{name: "statement, default schema sqlring", in: events{begin(101, 6, alone), query("sqlring", "DROP TABLE shop.t")}, want: conflict, count: 1, kinds: "statement", why: "DROP TABLE shop.t"},
		{name: "statement on sqlring", in: events{begin(101, 6, alone), query("sqlring", "DROP TABLE sqlring.heartbeat")}, want: conflict, count: 1, kinds: "statement", why: "is a statement"},
		{name: "compressed statement", in: events{begin(101, 6, alone), event(replication.MARIADB_QUERY_COMPRESSED_EVENT, &replication.QueryEvent{Schema: []byte("sqlring"), Query: []byte("DROP TABLE shop.t")})}, want: conflict, count: 1, kinds: "statement", why: "DROP TABLE shop.t"},
		{name: "commit of an ALTER in two phases", in: events{begin(101, 6, alone), query("shop", "COMMIT ALTER 5 ALTER TABLE t")}, want: conflict, count: 1, kinds: "statement", why: "COMMIT ALTER"},
		{name: "compound statement", in: events{begin(101, 6, alone), query("shop", "BEGIN NOT ATOMIC DELETE FROM t; END")}, want: conflict, count: 1, kinds: "statement", why: "BEGIN NOT ATOMIC"},
		{name: "savepoint with something behind", in: events{begin(101, 6, 0), query("shop", "SAVEPOINT `a`; DROP TABLE `t`"), xid()}, want: conflict, count: 1, kinds: "statement", why: "SAVEPOINT"},
		{name: "the server empties a MEMORY table", in: events{begin(0, 2, alone), query("shop", "TRUNCATE TABLE `shop`.`mem` /* generated by server for memory table after a restart */")}, want: empty},
		{name: "somebody says so", in: events{begin(101, 6, alone), query("shop", "TRUNCATE TABLE `shop`.`t` /* generated by server for memory table after a restart */")}, want: conflict, count: 1, kinds: "statement", why: "TRUNCATE TABLE"},
		{name: "and more behind it", in: events{begin(101, 6, alone), query("shop", "TRUNCATE TABLE `shop`.`mem` /* generated by server */; DROP TABLE `x`")}, want: conflict, count: 1, kinds: "statement", why: "TRUNCATE TABLE"},

		{name: "XA, with words", in: events{begin(101, 6, 0), query("", "XA START X'61',X'',1"), insert(), query("", "XA END X'61',X'',1"), generic(replication.XA_PREPARE_LOG_EVENT)}, want: conflict, count: 1, kinds: "xa insert xa xa", why: "101-101-6 is a part of an XA transaction"},
		{name: "XA, by its flag alone", in: events{begin(101, 6, flagPreparedXA), insert(), xid()}, want: conflict, count: 1, kinds: "insert", why: "XA"},
		{name: "XA, by its end alone", in: events{begin(101, 6, 0), insert(), generic(replication.XA_PREPARE_LOG_EVENT)}, want: conflict, count: 1, kinds: "insert xa", why: "XA"},
		{name: "XA, committed", in: events{begin(101, 6, alone|flagCompletedXA), query("", "XA COMMIT X'61',X'',1")}, want: conflict, count: 1, kinds: "xa", why: "XA"},
		{name: "XA, rolled back", in: events{begin(101, 6, alone), query("sqlring", "XA ROLLBACK X'61',X'',1")}, want: conflict, count: 1, kinds: "xa", why: "XA"},

		{name: "unknown event inside", in: events{begin(101, 6, trans), insert(), generic(250), xid()}, want: conflict, count: 1, kinds: "insert event", why: "101-101-6 has an event that is " + unknown + ": UnknownEvent (type 250)"},
		{name: "rows of an unknown kind", in: events{begin(101, 6, trans), rows(replication.PARTIAL_UPDATE_ROWS_EVENT, "sqlring.heartbeat"), xid()}, want: conflict, count: 1, kinds: "event", why: unknown},
		{name: "MySQL's compressed transaction", in: events{begin(101, 6, trans), event(replication.TRANSACTION_PAYLOAD_EVENT, &replication.TransactionPayloadEvent{}), xid()}, want: conflict, count: 1, kinds: "event", why: unknown},
		{name: "load of a file", in: events{begin(101, 6, trans), event(replication.BEGIN_LOAD_QUERY_EVENT, &replication.BeginLoadQueryEvent{}), event(replication.EXECUTE_LOAD_QUERY_EVENT, &replication.ExecuteLoadQueryEvent{}), xid()}, want: conflict, count: 1, kinds: "event event", why: "BeginLoadQueryEvent"},
		{name: "an incident between transactions", in: events{begin(101, 5, 0), query("", "COMMIT"), generic(replication.INCIDENT_EVENT), begin(101, 6, trans), xid()}, want: conflict, kinds: "event", why: "there is an event that is " + unknown + ": IncidentEvent"},
		{name: "rows outside of a transaction", in: events{insert(), begin(101, 6, trans), xid()}, want: conflict, kinds: "event", why: unknown},
		{name: "a statement outside of a transaction", in: events{query("", "COMMIT"), begin(101, 6, trans), xid()}, want: conflict, kinds: "event", why: unknown},
		{name: "an end that is not known", in: events{begin(101, 6, trans), insert(), begin(101, 7, trans), insert(), xid()}, want: conflict, count: 2, kinds: "insert event insert", why: unknown},
		{name: "between files", in: events{generic(replication.STOP_EVENT), event(replication.ROTATE_EVENT, &replication.RotateEvent{}), event(replication.FORMAT_DESCRIPTION_EVENT, &replication.FormatDescriptionEvent{}), generic(replication.MARIADB_GTID_LIST_EVENT), generic(replication.MARIADB_BINLOG_CHECKPOINT_EVENT), begin(101, 6, trans), generic(replication.HEARTBEAT_EVENT), insert(), xid()}, want: flows, count: 1, kinds: "insert"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := openTailList(t.TempDir(), "m1", nil)
			if err != nil {
				t.Fatal(err)
			}
			j := judgement{own: []uint32{101}, layout: autoinc.Layout{Offset: 1, Stride: 16}, keys: tables{}, list: list}
			var last topology.GTID
			for _, e := range c.in {
				if g, ok := e.Event.(*replication.MariadbGTIDEvent); ok {
					last = topology.GTID{Domain: g.GTID.DomainID, Server: g.GTID.ServerID, Seq: g.GTID.SequenceNumber}
				}
			}
			cut := topology.Position{{Domain: 0, Server: 1, Seq: 1}, {Domain: 101, Server: 101, Seq: 5}}
			r := tailReader{cut: cut, left: []topology.GTID{last}, judge: &j}
			for _, e := range c.in {
				if len(r.left) == 0 {
					t.Fatalf("done before %s", e.Header.EventType)
				}
				if err := r.take(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			if ended := len(r.left) == 0; !ended {
				t.Errorf("%s is not seen to have ended", last)
			}
			if j.verdict() != c.want || j.transactions != c.count || !strings.Contains(j.reason(), c.why) {
				t.Errorf("%s of %d: %s; want %s of %d, %q", j.verdict(), j.transactions, j.reason(), c.want, c.count, c.why)
			}
			if got := kindsIn(t, list); got != c.kinds {
				t.Errorf("listed are %q, want %q", got, c.kinds)
			}
		})
	}
}

func kindsIn(t *testing.T, list *tailList) string {
	t.Helper()
	if err := list.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(list.path)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range bytes.Lines(text) {
		var e tailEntry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == "event" && (string(e.Raw) != "raw" || e.Statement == "") {
			t.Errorf("the event is not listed as it is: %s", line)
		}
		kinds = append(kinds, e.Kind)
	}
	return strings.Join(kinds, " ")
}

func TestReasonHidesNoOtherDomainAndNoXA(t *testing.T) {
	j := judgement{own: []uint32{101}, keys: tables{}, list: &tailList{}}
	for _, g := range []topology.GTID{{Domain: 101, Server: 101, Seq: 6}, {Domain: 103, Server: 103, Seq: 1}, {Domain: 102, Server: 102, Seq: 1}} {
		if err := j.statement(t.Context(), g, "", "DROP TABLE t"); err != nil {
			t.Fatal(err)
		}
	}
	j.twoPhase(topology.GTID{Domain: 101, Server: 101, Seq: 7})
	want := "101-101-6 is a statement, not rows: DROP TABLE t; there are transactions of other domains: [103 102]; there are XA transactions, first 101-101-7: see XA RECOVER there"
	if got := j.reason(); got != want || j.transactions != 4 {
		t.Errorf("%d transactions, %q, want %q", j.transactions, got, want)
	}
}

func TestFirstWordsShowNoLiteral(t *testing.T) {
	for text, want := range map[string]string{
		"INSERT INTO shop.t VALUES('hush')":        "INSERT INTO shop.t VALUES",
		"UPDATE t SET v=4711":                      "UPDATE t SET v",
		"CREATE USER a IDENTIFIED BY 'hush'":       "CREATE USER a IDENTIFIED",
		"SET PASSWORD FOR 'a'@'%'='*hush'":         "SET PASSWORD FOR",
		"insert  into\n\tt select \"hush\" from d": "insert into t select",
		"": "",
	} {
		if got := firstWords(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestRangeOf(t *testing.T) {
	for _, c := range []struct{ name, binlog, cut, from, end, open, whole string }{
		{"own domain", "101-101-9,102-102-5", "101-101-7", "101-101-7,102-102-5", "101-101-9", "101-101-9", "102-102-5"},
		{"all there", "101-101-9", "101-101-9", "101-101-9", "101-101-9", "", "101-101-9"},
		{"from the beginning", "0-1-2,101-101-9", "0-1-0", "101-101-9", "0-1-2", "0-1-2", "101-101-9"},
		{"the ring has more", "101-101-9,102-102-5", "101-101-7,102-102-8", "101-101-7,102-102-5", "101-101-9,102-102-5", "101-101-9", "102-102-5"},
		{"not in the binlog", "101-101-9", "103-103-4", "101-101-9", "", "", "101-101-9"},
		{"empty binlog", "", "101-101-4", "", "", "", ""},
	} {
		parse := func(text string) topology.Position {
			p, err := topology.ParsePosition(text)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		r := rangeOf(parse(c.binlog), parse(c.cut))
		got := []string{r.from.String(), r.end.String(), topology.Position(r.open()).String(), r.whole().from.String()}
		if want := []string{c.from, c.end, c.open, c.whole}; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: from, end, open, whole are %q, want %q", c.name, got, want)
		}
	}
}
