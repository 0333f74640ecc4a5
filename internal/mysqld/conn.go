package mysqld

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/topology"
)

// conn is one connection to a member. It is used by one goroutine at a time,
// never pooled and never replaced behind its user's back: database/sql would do
// both. After any error but the server's own word it is broken for good.
type conn struct {
	driver  rawConn
	id      uint64 // CONNECTION_ID()
	version topology.ServerVersion
	text    string // @@version
	dialect dialect
	ours    [2]string // the accounts of sqlring: manager, replication
	broken  bool

	hadEvents   bool // it was seen to have events: those at work are looked at
	hasLayout   bool // a copy of the table of slots was there, a round trip ago
	hasSemiSync bool // MySQL: its variables of semi-sync were there, a probe ago

	// Where values come from, read when the connection was made: it is the same
	// process as long as the connection answers. read_only counts as the file's
	// only as long as nobody has set it by SQL.
	readOnlyInFile   bool
	logReplicaInFile bool
	configFile       string // the server names it only to an account with FILE
}

// rawConn is what a connection of go-sql-driver can do.
type rawConn interface {
	driver.Conn
	driver.QueryerContext
	driver.ExecerContext
}

// table is a result: rows of text, NULL as "".
type table struct {
	columns []string
	rows    [][]string
}

// value returns the first value, "" if there is none.
func (t table) value() string {
	if len(t.rows) == 0 || len(t.rows[0]) == 0 {
		return ""
	}
	return t.rows[0][0]
}

// purpose is what a connection is for; its session is set up accordingly.
type purpose uint8

const (
	forProbe purpose = iota // reads only; a statement that hangs is ended by the server
	forBeat                 // writes that are replicated
	forHands                // acts; nothing is replicated
	forTies                 // reads what joins schemas, which may take a while
	forCopy                 // reads, or writes, another member's data: nothing is replicated, nothing is converted
)

// lockWait bounds the wait for metadata and backup locks on every connection.
const lockWait = 2 // s

// connect opens a connection and makes its session ready.
func (m *Member) connect(ctx context.Context, why purpose) (*conn, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", m.addr
	cfg.User, cfg.Passwd = m.cfg.ManagerUser, m.cfg.ManagerPassword
	cfg.MultiStatements, cfg.InterpolateParams, cfg.ClientFoundRows = true, true, true
	cfg.ConnectionAttributes = "program_name:sqlring"
	cfg.Logger = &mysql.NopLogger{} // errors are returned, not printed
	if m.cfg.TLS != nil {
		cfg.TLS, cfg.AllowFallbackToPlaintext = m.cfg.TLS(m.addr), m.cfg.TLSOptional
	}
	if why == forCopy {
		cfg.MaxAllowedPacket = copyPacket // the server has the last word
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	opened, err := connector.Connect(ctx)
	if err != nil {
		return nil, inTime(ctx, err)
	}
	raw, ok := opened.(rawConn)
	if !ok {
		_ = opened.Close()
		return nil, fmt.Errorf("%T cannot query", opened)
	}
	c := &conn{driver: raw, ours: [2]string{m.cfg.ManagerUser, m.cfg.ReplicationUser}}
	if err := c.prepare(ctx, why); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// prepare reads what the server is and sets the session up.
func (c *conn) prepare(ctx context.Context, why purpose) error {
	hello, err := c.query(ctx, "SELECT @@version, CONNECTION_ID()")
	if err != nil {
		return err
	}
	c.text = hello.value()
	if c.version, err = topology.ParseVersion(c.text); err != nil {
		return err
	}
	if c.id, err = strconv.ParseUint(hello.rows[0][1], 10, 64); err != nil {
		return err
	}
	c.dialect = dialectOf(c.version.Flavour)
	return c.dialect.session(ctx, c, why)
}

// query runs one or more statements and returns the last result.
func (c *conn) query(ctx context.Context, statements string, args ...driver.Value) (table, error) {
	results, err := c.batch(ctx, statements, args...)
	if err != nil || len(results) == 0 {
		return table{}, err
	}
	return results[len(results)-1], nil
}

// batch runs the statements, separated by semicolons, in one round trip and
// returns the result of each that has one. The first error ends it.
func (c *conn) batch(ctx context.Context, statements string, args ...driver.Value) ([]table, error) {
	if c.broken {
		return nil, driver.ErrBadConn
	}
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	rows, err := c.driver.QueryContext(ctx, statements, named)
	if err != nil {
		return nil, c.note(ctx, err)
	}
	results, err := readAll(rows)
	return results, c.note(ctx, errors.Join(err, rows.Close()))
}

func readAll(rows driver.Rows) ([]table, error) {
	more, _ := rows.(driver.RowsNextResultSet)
	var results []table
	for {
		t, err := readTable(rows)
		if err != nil {
			return results, err
		}
		if len(t.columns) > 0 {
			results = append(results, t)
		}
		if more == nil || !more.HasNextResultSet() {
			return results, nil
		}
		if err := more.NextResultSet(); errors.Is(err, io.EOF) {
			return results, nil
		} else if err != nil {
			return results, err
		}
	}
}

func readTable(rows driver.Rows) (table, error) {
	t := table{columns: rows.Columns()}
	values := make([]driver.Value, len(t.columns))
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return t, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = text(v)
		}
		t.rows = append(t.rows, row)
	}
}

func text(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case string:
		return v
	}
	return fmt.Sprint(v)
}

// note marks the connection broken after any error that is not the server's.
func (c *conn) note(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var server *mysql.MySQLError
	if !errors.As(err, &server) || judge(err) == failureLost {
		c.broken = true
	}
	return inTime(ctx, err)
}

// inTime adds the context's own error: the driver reports a connection that it
// had to close at the deadline as a broken one.
func inTime(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
		return fmt.Errorf("%w (%w)", ctxErr, err)
	}
	return err
}

// execute runs the statements for their effect.
func (c *conn) execute(ctx context.Context, statements string, args ...driver.Value) error {
	_, err := c.batch(ctx, statements, args...)
	return err
}

// close ends the connection; it does not wait for the server.
func (c *conn) close() {
	c.broken = true
	_ = c.driver.Close()
}

// quote returns text as a SQL string literal, for statements that take no
// placeholder.
func quote(text string) string {
	b := []byte{'\''}
	for i := range len(text) {
		switch c := text[i]; c {
		case '\'', '\\':
			b = append(b, '\\', c)
		case 0:
			b = append(b, '\\', '0')
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '\''))
}
