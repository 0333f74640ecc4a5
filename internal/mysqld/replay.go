package mysqld

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/topology"
)

// What only a member in quarantine holds is replayed: read anew from its binlog, and
// written as new transactions at the owners (S54-S56). The files:
//
//   - replay.go: the run, and the fate of a transaction;
//   - replay_read.go: a tail as transactions of row changes;
//   - replay_table.go: what a table has to be, here and there;
//   - replay_row.go: a row as statements: what it was before, and what it becomes.

// replayedTable has the marks of what was replayed, by the numbers that it had on the
// member (S55), and the identity that it was written under: on MySQL (domain: the digest
// of the source) a member that was copied anew gives the numbers of what was replayed out
// again, under another identity.
const replayedTable = `CREATE TABLE IF NOT EXISTS sqlring.replayed (
		domain INT UNSIGNED NOT NULL, server INT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL,
		PRIMARY KEY (domain, server, seq)) ENGINE=InnoDB`

// replayLock is held by the one connection that replays at an owner (S56).
const replayLock = "sqlring_replay"

// replaySession: what is written is logged; a lock that somebody holds is not waited for.
const replaySession = "SET NAMES utf8mb4; SET SESSION sql_log_bin=%d, time_zone='+00:00', sql_mode='NO_AUTO_VALUE_ON_ZERO', innodb_lock_wait_timeout=1, foreign_key_checks=1, unique_checks=1, %s, autocommit=1"

// replayPatience bounds a statement, as far as the flavour can.
func replayPatience(f topology.Flavour) string {
	if f == topology.FlavourMySQL {
		return "max_execution_time=10000" // of a SELECT, which takes the locks
	}
	return "max_statement_time=10"
}

func runReplay(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	r, err := replayTail(ctx, w, o, a)
	if err == nil {
		w.member.last.Store(r)
	}
	return err
}

// TryReplay finds out what a replay of a member would do: all of it is done at the
// owners, and undone. It takes the member's lock of the hands for nothing, and changes
// nothing. It returns when ctx ends, or after Config.Tail.
func (f *Fleet) TryReplay(ctx context.Context, m topology.Member, a topology.Action) (topology.Replay, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.withDefaults().Tail)
	defer cancel()
	handle := f.Member(m)
	a.Replay.Trial = true
	c, err := handle.connect(ctx, forProbe)
	if err != nil {
		return topology.Replay{}, fmt.Errorf("try to replay %s: %w", m.ID, err)
	}
	defer c.close()
	o, err := handle.ask(ctx, c, topology.Observation{Member: m.ID})
	if err == nil {
		if why := refuseTail(o, a); why != "" {
			err = fmt.Errorf("%w: %s", ErrPrecondition, why)
		}
	}
	if err != nil {
		return topology.Replay{}, fmt.Errorf("try to replay %s: %w", m.ID, err)
	}
	r, err := replayTail(ctx, work{conn: c, member: handle}, o, a)
	if err != nil {
		return topology.Replay{}, fmt.Errorf("try to replay %s: %w", m.ID, err)
	}
	return *r, nil
}

func replayTail(ctx context.Context, w work, o topology.Observation, a topology.Action) (*topology.Replay, error) {
	r := rangeOf(o.Binlog, a.After)
	out := &topology.Replay{Operation: a.Replay.Operation, Cut: a.After, End: r.end}
	if a.Replay.Trial {
		out.Operation = ""
	}
	read := replayReader{keys: &catalogue{w: w}}
	if len(r.open()) > 0 {
		if err := readTail(ctx, w, r, &read); err != nil {
			return nil, err
		}
	}
	p := replayer{w: w, order: a.Replay, owners: map[topology.MemberID]*replayAt{}, here: map[string]replayTable{}}
	defer p.close()
	list, err := openReplayList(w.member, a, r.openEnd())
	if err != nil {
		return nil, err
	}
	for _, t := range read.transactions {
		line, err := p.replay(ctx, t)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("replay %s: %w", t.gtid, err), list.discard())
		}
		count(&out.Sum, line)
		if len(out.Lines) < topology.MaxReplayLines {
			out.Lines = append(out.Lines, line)
		}
		if err := list.line(line); err != nil {
			return nil, err
		}
	}
	out.Sum.File = list.path
	return out, list.close()
}

// The fates of a transaction.
const (
	fateReplayed = "replayed"
	fateAlready  = "already"
	fateConflict = "conflict"
)

func count(sum *topology.ReplaySum, line topology.ReplayLine) {
	switch line.Fate {
	case fateReplayed:
		sum.Replayed++
	case fateAlready:
		sum.Already++
	default:
		if sum.Conflicts++; sum.First == "" {
			sum.First = line.GTID + ": " + line.Why
		}
	}
}

// openReplayList begins the list of a replay, beside that of the tail; a trial has none.
func openReplayList(m *Member, a topology.Action, end topology.Position) (*tailList, error) {
	if a.Replay.Trial || m.cfg.TailDir == "" {
		return &tailList{}, nil
	}
	list, err := openTailList(m.cfg.TailDir, "replay-"+m.id+"-"+topology.MemberID(a.Replay.Operation), end)
	if err == nil {
		list.path = filepath.Clean(list.path)
	}
	return list, err
}

func (l *tailList) line(line topology.ReplayLine) error {
	if l.file == nil {
		return nil
	}
	text, err := json.Marshal(line)
	if err == nil {
		_, err = l.out.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("list replay: %w", err)
	}
	return nil
}

// discard ends a list that is not complete: it keeps its unfinished name.
func (l *tailList) discard() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// replayer writes transactions at the owners.
type replayer struct {
	w      work
	order  topology.ReplayOrder
	owners map[topology.MemberID]*replayAt
	here   map[string]replayTable // the tables as the member has them
}

// replayAt is the connection to one owner.
type replayAt struct {
	owner topology.ReplayOwner
	conn  *conn
	there map[string]replayTable
}

func (p *replayer) close() {
	for _, at := range p.owners {
		at.conn.close()
	}
}

// at connects to an owner. Unless this is a trial, it takes the lock of replays there in
// this leadership's term, which ends whoever else replays, and makes the table of marks.
func (p *replayer) at(ctx context.Context, owner topology.ReplayOwner) (*replayAt, error) {
	if at := p.owners[owner.Member]; at != nil {
		return at, nil
	}
	c, err := New(p.w.member.cfg, owner.Member, owner.Addr).connect(ctx, forTies)
	if err != nil {
		return nil, fmt.Errorf("connect to owner %s: %w", owner.Member, err)
	}
	at := &replayAt{owner: owner, conn: c, there: map[string]replayTable{}}
	p.owners[owner.Member] = at
	logged := 1
	if p.order.Trial {
		logged = 0 // it is undone; should it not be, nobody else gets it
	} else if err := seizeLock(ctx, c, replayLock, p.w.member.term.Load()); err != nil {
		return nil, fmt.Errorf("take the lock of replays on %s: %w", owner.Member, err)
	}
	if err := c.execute(ctx, fmt.Sprintf(replaySession, logged, replayPatience(c.version.Flavour))); err != nil {
		return nil, err
	}
	t, err := c.query(ctx, "SELECT @@global.read_only, (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='sqlring' AND table_name='replayed')")
	switch {
	case err != nil:
		return nil, err
	case t.rows[0][0] != "0":
		return nil, fmt.Errorf("%w: %s is read-only: it owns nothing", ErrPrecondition, owner.Member)
	case t.rows[0][1] == "0" && !p.order.Trial: // the ring is of a release before: logged, so that all get it
		err = c.execute(ctx, replayedTable)
	case t.rows[0][1] == "0":
		err = c.execute(ctx, "CREATE TEMPORARY TABLE sqlring.replayed (domain INT UNSIGNED, server INT UNSIGNED, seq BIGINT UNSIGNED, PRIMARY KEY (domain, server, seq))")
	}
	if err == nil && p.order.Trial {
		err = c.execute(ctx, "START TRANSACTION")
	}
	return at, err
}

// errConflict is why a transaction is not replayed; it ends nothing but that one.
type errConflict struct{ why string }

func (e errConflict) Error() string { return e.why }

func conflicts(format string, args ...any) error { return errConflict{fmt.Sprintf(format, args...)} }

// replay does one transaction, or says why not.
func (p *replayer) replay(ctx context.Context, t replayTxn) (topology.ReplayLine, error) {
	line := topology.ReplayLine{GTID: t.gtid.String(), Tables: t.summary()}
	fate, err := p.attempt(ctx, t)
	var conflict errConflict
	switch {
	case errors.As(err, &conflict):
		line.Fate, line.Why = fateConflict, conflict.why
		return line, nil
	case err != nil:
		return line, err
	}
	line.Fate = fate
	return line, nil
}

func (p *replayer) attempt(ctx context.Context, t replayTxn) (string, error) {
	if t.refused != "" {
		return "", conflicts("%s", t.refused)
	}
	owner, err := p.ownerOf(t)
	if err != nil {
		return "", err
	}
	at, err := p.at(ctx, owner)
	if err != nil {
		return "", err
	}
	var statements []replayStatement
	for _, change := range t.changes {
		table, err := p.table(ctx, at, change.schema, change.table)
		if err != nil {
			return "", err
		}
		more, err := table.statements(change)
		if err != nil {
			return "", err
		}
		statements = append(statements, more...)
	}
	return at.write(ctx, t, statements, p.order.Trial)
}

// ownerOf returns the owner of all tables of a transaction.
func (p *replayer) ownerOf(t replayTxn) (topology.ReplayOwner, error) {
	var owner topology.ReplayOwner
	for _, change := range t.changes {
		o, ok := p.order.Of(change.schema)
		switch {
		case !ok:
			return owner, conflicts("schema %s has no owner", change.schema)
		case owner.Member != "" && owner.Member != o.Member:
			return owner, conflicts("it is in units of two owners, %s and %s", owner.Member, o.Member)
		}
		owner = o
	}
	return owner, nil
}

// write runs the statements as one transaction, with the mark, which comes first: who
// meets one that is there, does nothing.
func (at *replayAt) write(ctx context.Context, t replayTxn, statements []replayStatement, trial bool) (string, error) {
	begin, undo, keep := "START TRANSACTION", "ROLLBACK", "COMMIT"
	if trial {
		begin, undo, keep = "SAVEPOINT one", "ROLLBACK TO SAVEPOINT one", "DO 1"
	}
	if err := at.conn.execute(ctx, begin); err != nil {
		return "", err
	}
	err := at.conn.execute(ctx, fmt.Sprintf("INSERT INTO sqlring.replayed VALUES (%d,%d,%d)", t.gtid.Domain, t.server, t.gtid.Seq))
	if isNumber(err, errDuplicate) {
		return fateAlready, at.conn.execute(ctx, undo)
	}
	for _, s := range statements {
		if err != nil {
			break
		}
		err = at.run(ctx, s)
	}
	if err == nil {
		err = at.conn.execute(ctx, keep)
	}
	if err == nil {
		return fateReplayed, nil
	}
	if at.conn.broken {
		return "", fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	if undone := at.conn.execute(ctx, undo); undone != nil {
		return "", errors.Join(err, undone)
	}
	return "", err
}

// run runs one statement. What the server itself finds in the way of a row is a conflict.
func (at *replayAt) run(ctx context.Context, s replayStatement) error {
	t, err := at.conn.query(ctx, s.sql)
	var answer *mysql.MySQLError
	switch {
	case err == nil && s.want >= 0 && (len(t.rows) != 1 || t.value() != strconv.Itoa(s.want)):
		return conflicts("%s", s.else_)
	case errors.As(err, &answer) && slices.Contains(rowErrors(), answer.Number):
		return conflicts("%s: %s", s.what, answer.Message)
	case isNumber(err, errTableDenied, errSchemaDenied):
		return fmt.Errorf("%w: %w: on every member: GRANT SELECT, INSERT, UPDATE, DELETE on it TO the manager's account", err, ErrPrivilege)
	case err != nil:
		return fmt.Errorf("%s: %w", s.what, err)
	}
	return nil
}

const errDuplicate = 1062

// rowErrors are the server's words on a row that can not be as it was: duplicate key,
// foreign keys, CHECK, values that do not fit, a table or column that is gone.
func rowErrors() []uint16 {
	return []uint16{1062, 1586, 1451, 1452, 1216, 1217, 4025, 3819, 1264, 1366, 1406, 1048, 1364, 1265, 1292, 1146, 1054, 1049}
}
