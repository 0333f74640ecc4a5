package mysqld

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/sqlring/sqlring/pkg/topology"
)

// tailReaderID is the server id under which a binlog is read: the highest but
// one, which raft never issues. Only who holds a member's hands reads, so there
// is one reader per member.
const tailReaderID = 4294967294

// tailRange says what to read: from a position of all domains, the transactions
// above cut in the domains that cut names, until the last one of each is reached.
type tailRange struct {
	from, cut, end topology.Position
}

// rangeOf returns the range of a tail. What is not of it, the server is not asked
// for: other domains, and those in which the member is not above the cut, are
// read from their end.
func rangeOf(binlog, cut topology.Position) tailRange {
	r := tailRange{cut: cut}
	for _, last := range binlog {
		at, named := cut.Last(last.Domain)
		switch {
		case !named || at.Seq >= last.Seq:
			r.from = r.from.With(last)
		case at.Seq > 0:
			r.from = r.from.With(at)
		}
		if named {
			r.end = r.end.With(last)
		}
	}
	return r
}

// whole returns the range with every domain of it read from its beginning: a cut
// that stands in a gap of the member's binlog is no position to start from.
func (r tailRange) whole() tailRange {
	for _, g := range r.open() {
		r.from = r.from.Without(g.Domain)
	}
	return r
}

// open returns the last transactions that the range is not complete without.
func (r tailRange) open() []topology.GTID {
	return slices.DeleteFunc(slices.Clone(r.end), func(g topology.GTID) bool { return r.cut.Seq(g.Domain) >= g.Seq })
}

// openEnd returns where the domains end that something is read of.
func (r tailRange) openEnd() topology.Position { return topology.Position(r.open()) }

// errNoStart: the server cannot send from that position (MariaDB error 1236).
const errNoStart = 1236

// readTail streams the transactions of a range from the member's binlog into j.
func readTail(ctx context.Context, w work, r tailRange, j tailSink) error {
	err := readRange(ctx, w, r, j)
	var refused *gomysql.MyError
	if errors.As(err, &refused) && refused.Code == errNoStart && j.read() == 0 && r.whole().from.String() != r.from.String() {
		return readRange(ctx, w, r.whole(), j)
	}
	return err
}

// tailSink takes in the transactions of a tail, in the order of the binlog.
type tailSink interface {
	// begins takes in the server_id of who wrote the transaction whose events follow.
	begins(g topology.GTID, server uint32)
	// statement takes in a statement event.
	statement(ctx context.Context, g topology.GTID, schema, text string) error
	// rows takes in a row event; kind is insert, update or delete.
	rows(ctx context.Context, g topology.GTID, kind string, e *replication.RowsEvent) error
	// twoPhase takes in that a transaction is a part of an XA transaction.
	twoPhase(g topology.GTID)
	// unknown takes in an event that is not known; g is zero outside of a transaction.
	unknown(g topology.GTID, e *replication.BinlogEvent) error
	// add notes a line of a list.
	add(g topology.GTID, e tailEntry) error
	// read returns how many transactions were taken in.
	read() int
}

func readRange(ctx context.Context, w work, r tailRange, j tailSink) error {
	syncer, err := newSyncer(w.member, flavourName(w.conn))
	if err != nil {
		return err
	}
	defer syncer.Close()
	start, err := gomysql.ParseGTIDSet(flavourName(w.conn), r.from.String())
	if err != nil {
		return fmt.Errorf("read binlog from %s: %w", r.from, err)
	}
	stream, err := syncer.StartSyncGTID(start)
	if err != nil {
		return fmt.Errorf("read binlog from %s: %w", r.from, err)
	}
	reader := tailReader{cut: r.cut, left: r.open(), judge: j}
	for len(reader.left) > 0 {
		e, err := stream.GetEvent(ctx)
		if err != nil {
			return fmt.Errorf("read binlog from %q, stopped after %s, to come %s: %w", r.from, reader.now, topology.Position(reader.left), err)
		}
		if err := reader.take(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// flavourName is what go-mysql calls the flavour.
func flavourName(c *conn) string {
	if c.version.Flavour == topology.FlavourMySQL {
		return gomysql.MySQLFlavor
	}
	return gomysql.MariaDBFlavor
}

func newSyncer(m *Member, flavour string) (*replication.BinlogSyncer, error) {
	host, port, err := net.SplitHostPort(m.addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	return replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: tailReaderID, Flavor: flavour,
		Host: host, Port: uint16(number), User: m.cfg.ManagerUser, Password: m.cfg.ManagerPassword,
		Localhost: "sqlring", DisableRetrySync: true, TimestampStringLocation: time.UTC, VerifyChecksum: true,
		RenderJSONAsMySQLText: true, // 1.0 stays a DOUBLE
		ReadTimeout:           m.cfg.Tail, HeartbeatPeriod: m.cfg.Probe,
		Logger: slog.New(slog.DiscardHandler), // errors are returned, not printed
	}), nil
}

// tailReader follows the transactions in a stream of events.
type tailReader struct {
	cut   topology.Position
	left  []topology.GTID // the last of each domain that were not read yet
	judge tailSink

	now    topology.GTID // of the transaction that is being read, or was last
	inside bool          // its end has not come yet
	wanted bool          // it is a part of the tail
	alone  bool          // it is one statement, without a commit at its end
	framed bool          // MySQL: it has begun as one of several events
}

func (r *tailReader) take(ctx context.Context, e *replication.BinlogEvent) error {
	if isAside(e.Header.EventType) {
		return nil
	}
	switch body := e.Event.(type) {
	case *replication.MariadbGTIDEvent:
		g := topology.GTID{Domain: body.GTID.DomainID, Server: body.GTID.ServerID, Seq: body.GTID.SequenceNumber}
		return r.begin(start{g, body.IsStandalone(), body.Flags&(flagPreparedXA|flagCompletedXA) != 0}, e)
	case *replication.GTIDEvent:
		g, err := gtidOf(body)
		if err != nil {
			return err
		}
		return r.begin(start{gtid: g}, e)
	case *replication.GtidTaggedLogEvent:
		g, err := gtidOf(&body.GTIDEvent)
		if err != nil {
			return err
		}
		return r.begin(start{gtid: g}, e)
	case *replication.TransactionPayloadEvent: // compressed
		if len(body.Events) == 0 {
			return r.other(e)
		}
		for _, inner := range body.Events {
			if err := r.take(ctx, inner); err != nil {
				return err
			}
		}
		return nil
	case *replication.QueryEvent:
		return r.query(ctx, body, e)
	case *replication.RowsEvent:
		if kind := kindOf(e.Header.EventType); kind != "" && r.inside {
			if !r.wanted {
				return nil
			}
			return r.judge.rows(ctx, r.now, kind, body)
		}
	case *replication.XIDEvent:
		if r.inside {
			r.finish()
			return nil
		}
	}
	if e.Header.EventType == replication.XA_PREPARE_LOG_EVENT && r.inside {
		return r.prepared()
	}
	return r.other(e)
}

// Flags of a GTID event that go-mysql does not name (MariaDB, sql/log_event.h).
const (
	flagPreparedXA  = 64
	flagCompletedXA = 128
)

// start is what the first event of a transaction says of it.
type start struct {
	gtid     topology.GTID
	alone    bool
	twoPhase bool
}

// gtidOf reads the GTID of a MySQL.
func gtidOf(e *replication.GTIDEvent) (topology.GTID, error) {
	if len(e.SID) != 16 {
		return topology.GTID{}, fmt.Errorf("the source of a transaction has %d bytes, not 16", len(e.SID))
	}
	source := fmt.Sprintf("%x-%x-%x-%x-%x", e.SID[:4], e.SID[4:6], e.SID[6:8], e.SID[8:10], e.SID[10:])
	if e.Tag.String() != "" {
		source += ":" + e.Tag.String()
	}
	return topology.GTID{Domain: topology.SourceDomain(source), Seq: uint64(e.GNO), Source: source}, nil
}

func (r *tailReader) begin(s start, e *replication.BinlogEvent) error {
	if r.inside { // it has ended in a way that is not known
		if err := r.other(e); err != nil {
			return err
		}
		r.finish()
	}
	r.now, r.inside, r.alone, r.framed = s.gtid, true, s.alone, false
	at, named := r.cut.Last(r.now.Domain)
	r.wanted = named && r.now.Seq > at.Seq
	if r.wanted {
		r.judge.begins(r.now, e.Header.ServerID)
	}
	if r.wanted && s.twoPhase {
		r.judge.twoPhase(r.now)
	}
	return nil
}

func (r *tailReader) query(ctx context.Context, body *replication.QueryEvent, e *replication.BinlogEvent) error {
	if !r.inside {
		return r.other(e)
	}
	text := string(body.Query)
	if r.now.Source != "" && !r.framed {
		// A statement that nothing frames stands alone: DDL, or the end of an XA
		// transaction. MySQL does not say so beforehand.
		r.framed = true
		r.alone = text != "BEGIN" && !strings.HasPrefix(text, "XA START ")
	}
	var err error
	if r.wanted {
		err = r.judge.statement(ctx, r.now, string(body.Schema), text)
	}
	if r.alone || endsRows(text) {
		r.finish()
	}
	return err
}

// prepared takes in the end of a transaction in two phases: it is prepared now.
func (r *tailReader) prepared() error {
	defer r.finish()
	if !r.wanted {
		return nil
	}
	r.judge.twoPhase(r.now)
	return r.judge.add(r.now, tailEntry{Kind: "xa", Statement: "XA PREPARE"})
}

// other takes in what stands where it is not known to be harmless. Within a
// transaction that is no part of the tail it is none either.
func (r *tailReader) other(e *replication.BinlogEvent) error {
	switch {
	case !r.inside:
		return r.judge.unknown(topology.GTID{}, e)
	case r.wanted:
		return r.judge.unknown(r.now, e)
	}
	return nil
}

func (r *tailReader) finish() {
	r.inside = false
	r.left = slices.DeleteFunc(r.left, func(g topology.GTID) bool { return g == r.now })
}

// isAside tells the events that change nothing by themselves: those about the
// binlog and the connection, and those that only go with a row event or with a
// statement, which is judged itself.
func isAside(t replication.EventType) bool {
	switch t {
	case replication.FORMAT_DESCRIPTION_EVENT, replication.ROTATE_EVENT, replication.STOP_EVENT,
		replication.HEARTBEAT_EVENT, replication.HEARTBEAT_LOG_EVENT_V2,
		replication.MARIADB_BINLOG_CHECKPOINT_EVENT, replication.MARIADB_GTID_LIST_EVENT, replication.MARIADB_START_ENCRYPTION_EVENT,
		replication.PREVIOUS_GTIDS_EVENT, replication.ROWS_QUERY_EVENT,
		replication.TABLE_MAP_EVENT, replication.MARIADB_ANNOTATE_ROWS_EVENT,
		replication.INTVAR_EVENT, replication.RAND_EVENT, replication.USER_VAR_EVENT:
		return true
	}
	return false
}

// kindOf names a row event, "" for one that is not known.
func kindOf(t replication.EventType) string {
	switch t {
	case replication.WRITE_ROWS_EVENTv0, replication.WRITE_ROWS_EVENTv1, replication.WRITE_ROWS_EVENTv2, replication.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1:
		return "insert"
	case replication.UPDATE_ROWS_EVENTv0, replication.UPDATE_ROWS_EVENTv1, replication.UPDATE_ROWS_EVENTv2, replication.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1:
		return "update"
	case replication.DELETE_ROWS_EVENTv0, replication.DELETE_ROWS_EVENTv1, replication.DELETE_ROWS_EVENTv2, replication.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1:
		return "delete"
	}
	return ""
}
