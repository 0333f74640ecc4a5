package mysqld

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/sqlring/sqlring/pkg/topology"
)

// tailReaderID is the server id under which a binlog is read: the highest but
// one, which raft never issues. Only who holds a member's hands reads, so there
// is one reader per member.
const tailReaderID = 4294967294

// tailRange says what to read: from a position of all domains, the transactions
// above cut, until end is reached in every domain.
type tailRange struct {
	from, cut, end topology.Position
}

// readTail streams the transactions of a range from the member's binlog into j.
func readTail(ctx context.Context, w work, r tailRange, j *judgement) error {
	syncer, err := newSyncer(w.member)
	if err != nil {
		return err
	}
	defer syncer.Close()
	start, err := gomysql.ParseMariadbGTIDSet(r.from.String())
	if err != nil {
		return fmt.Errorf("read binlog from %s: %w", r.from, err)
	}
	stream, err := syncer.StartSyncGTID(start)
	if err != nil {
		return fmt.Errorf("read binlog from %s: %w", r.from, err)
	}
	reader := tailReader{tailRange: r, judge: j}
	for !reader.done.Covers(r.end) {
		e, err := stream.GetEvent(ctx)
		if err != nil {
			return fmt.Errorf("read binlog up to %s, stopped after %s: %w", r.end, reader.done, err)
		}
		if err := reader.take(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func newSyncer(m *Member) (*replication.BinlogSyncer, error) {
	host, port, err := net.SplitHostPort(m.addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	return replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: tailReaderID, Flavor: gomysql.MariaDBFlavor,
		Host: host, Port: uint16(number), User: m.cfg.ManagerUser, Password: m.cfg.ManagerPassword,
		Localhost: "sqlring", DisableRetrySync: true, VerifyChecksum: true,
		ReadTimeout: m.cfg.Tail, HeartbeatPeriod: m.cfg.Probe,
		Logger: slog.New(slog.DiscardHandler), // errors are returned, not printed
	}), nil
}

// tailReader follows the transactions in a stream of events.
type tailReader struct {
	tailRange

	judge *judgement
	now   topology.GTID     // of the transaction that is being read
	alone bool              // it is one statement, without a commit at its end
	done  topology.Position // the transactions that were read whole
}

func (r *tailReader) take(ctx context.Context, e *replication.BinlogEvent) error {
	wanted := r.now.Seq > r.cut.Seq(r.now.Domain)
	switch body := e.Event.(type) {
	case *replication.MariadbGTIDEvent:
		r.now = topology.GTID{Domain: body.GTID.DomainID, Server: body.GTID.ServerID, Seq: body.GTID.SequenceNumber}
		r.alone = body.IsStandalone()
	case *replication.QueryEvent:
		var err error
		if wanted {
			err = r.judge.statement(r.now, string(body.Schema), string(body.Query))
		}
		if r.alone || string(body.Query) == "COMMIT" || string(body.Query) == "ROLLBACK" {
			r.done = r.done.With(r.now)
		}
		return err
	case *replication.RowsEvent:
		if wanted {
			return r.judge.rows(ctx, r.now, kindOf(e.Header.EventType), body)
		}
	case *replication.XIDEvent:
		r.done = r.done.With(r.now)
	}
	return nil
}

func kindOf(t replication.EventType) string {
	switch t {
	case replication.WRITE_ROWS_EVENTv0, replication.WRITE_ROWS_EVENTv1, replication.WRITE_ROWS_EVENTv2, replication.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1:
		return "insert"
	case replication.DELETE_ROWS_EVENTv0, replication.DELETE_ROWS_EVENTv1, replication.DELETE_ROWS_EVENTv2, replication.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1:
		return "delete"
	}
	return "update"
}
