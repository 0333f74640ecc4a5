package mysqld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// readFacts bounds the reading of all facts, and factStatement, in seconds, one
// statement of it: information_schema opens every table.
const (
	readFacts     = 20 * time.Second
	factStatement = 10
)

// Facts reads the parts of the member's facts that checks ask for, over a connection of
// its own. It does not fail: what could not be read is told in Unread, with why. It
// changes nothing, and returns when ctx ends, or after 20 s.
func (m *Member) Facts(ctx context.Context, parts []ringcheck.Part) ringcheck.Member {
	ctx, cancel := context.WithTimeout(ctx, readFacts)
	defer cancel()
	found := ringcheck.Member{Name: string(m.id), Addr: m.addr, Unread: map[ringcheck.Part]string{}}
	c, err := m.connect(ctx, forProbe)
	if err == nil {
		defer c.close()
		err = c.factSession(ctx)
	}
	for _, part := range parts {
		reason := err
		if err == nil {
			reason = c.facts(ctx, part, &found)
		}
		if reason == nil {
			continue
		}
		found.Unread[part] = fmt.Sprintf("read %s of %s: %v", part, m.id, reason)
		if err == nil && c.broken {
			err = reason // else it was the server's word on this part alone
		}
	}
	return found
}

// factSession lets statements take longer than those of a probe. innodb_trx shows times of
// the system's zone, whatever the session's is.
func (c *conn) factSession(ctx context.Context) error {
	if c.version.Flavour == topology.FlavourMySQL {
		return c.execute(ctx, fmt.Sprintf("SET SESSION time_zone='SYSTEM', max_execution_time=%d, information_schema_stats_expiry=86400", 1000*factStatement))
	}
	return c.execute(ctx, fmt.Sprintf("SET SESSION time_zone='SYSTEM', max_statement_time=%d", factStatement))
}

// facts reads one part.
func (c *conn) facts(ctx context.Context, part ringcheck.Part, found *ringcheck.Member) (err error) {
	found.Version = c.version
	switch part {
	case ringcheck.PartSettings:
		return c.settingFacts(ctx, found)
	case ringcheck.PartStatus:
		found.Status, err = c.statusFacts(ctx)
	case ringcheck.PartClock:
		found.Clock, err = c.clockFacts(ctx)
	case ringcheck.PartReplication:
		return c.replicationFacts(ctx, found)
	case ringcheck.PartAccounts:
		return c.accountFacts(ctx, found)
	case ringcheck.PartSessions:
		found.Transactions, err = c.transactionFacts(ctx)
	case ringcheck.PartPrepared:
		found.Prepared, err = c.preparedFacts(ctx)
	case ringcheck.PartDisk:
		found.Disk, err = c.diskFacts(ctx)
	case ringcheck.PartTables:
		found.Tables, err = c.tableFacts(ctx)
	case ringcheck.PartObjects:
		found.Objects, err = c.objectFacts(ctx)
	case ringcheck.PartColumns:
		found.Columns, err = c.columns(ctx)
	case ringcheck.PartTies:
		found.Ties, err = c.ties(ctx)
	default:
		err = fmt.Errorf("nobody knows how to read %s", part)
	}
	return err
}

func (c *conn) settingFacts(ctx context.Context, found *ringcheck.Member) error {
	mysql := c.version.Flavour == topology.FlavourMySQL
	statement := `SELECT LOWER(variable_name), global_value, global_value_origin FROM information_schema.system_variables
		WHERE global_value IS NOT NULL`
	if mysql {
		statement = `SELECT g.variable_name, g.variable_value, IFNULL(i.variable_source, '')
			FROM performance_schema.global_variables g LEFT JOIN performance_schema.variables_info i USING (variable_name)`
	}
	t, err := c.query(ctx, statement)
	if err != nil {
		return err
	}
	found.Variables = make(map[string]ringcheck.Variable, len(t.rows))
	for _, row := range t.rows {
		found.Variables[row[0]] = ringcheck.Variable{Value: row[1], Origin: originOf(row[2])}
	}
	if mysql {
		return c.persistedFacts(ctx, found)
	}
	found.TLS = strings.EqualFold(found.Variables["have_ssl"].Value, "YES")
	t, err = c.query(ctx, fmt.Sprintf("SELECT @@global.%s.key_cache_age_threshold > 0", fileCache))
	if err != nil {
		return err
	}
	found.Variables["sqlring_read_only_in_file"] = ringcheck.Variable{Value: t.value()}
	return c.binlogFilterFacts(ctx, found, "SHOW MASTER STATUS")
}

// persistedFacts adds what a restart of a MySQL server brings.
func (c *conn) persistedFacts(ctx context.Context, found *ringcheck.Member) error {
	t, err := c.query(ctx, "SELECT variable_name, variable_value FROM performance_schema.persisted_variables")
	if err != nil {
		return err
	}
	for _, row := range t.rows {
		found.Variables["sqlring_persisted_"+row[0]] = ringcheck.Variable{Value: row[1], Origin: ringcheck.OriginPersisted}
	}
	t, err = c.query(ctx, "SELECT value FROM performance_schema.tls_channel_status WHERE channel='mysql_main' AND property='Enabled'")
	if err != nil {
		return err
	}
	found.TLS = strings.EqualFold(t.value(), "YES")
	t, err = c.query(ctx, fmt.Sprintf("SELECT @@global.server_id>0 AND @@global.%s.key_cache_age_threshold=@@global.server_id*%d", identityCache, cacheUnit))
	if err != nil {
		return err
	}
	found.Variables["sqlring_prepared"] = ringcheck.Variable{Value: t.value()}
	status := "SHOW BINARY LOG STATUS"
	if c.version.Major == 8 && c.version.Minor < 4 { // MySQL manual: 8.2 brought the new words, 8.4 took the old ones away
		status = "SHOW MASTER STATUS"
	}
	return c.binlogFilterFacts(ctx, found, status)
}

func (c *conn) binlogFilterFacts(ctx context.Context, found *ringcheck.Member, statement string) error {
	t, err := c.query(ctx, statement)
	if err != nil {
		return err
	}
	for _, r := range named(t) {
		found.Variables["binlog_do_db"] = ringcheck.Variable{Value: r["Binlog_Do_DB"]}
		found.Variables["binlog_ignore_db"] = ringcheck.Variable{Value: r["Binlog_Ignore_DB"]}
	}
	return nil
}

// named returns the rows of a table by the names of its columns.
func named(t table) []map[string]string {
	rows := make([]map[string]string, len(t.rows))
	for i, row := range t.rows {
		rows[i] = make(map[string]string, len(row))
		for j, value := range row {
			rows[i][t.columns[j]] = value
		}
	}
	return rows
}

// originOf reads the words of both flavours (MariaDB manual, GLOBAL_VALUE_ORIGIN; MySQL
// manual, VARIABLE_SOURCE).
func originOf(word string) ringcheck.Origin {
	switch word {
	case "CONFIG", "COMMAND-LINE", "ENVIRONMENT", "GLOBAL", "SERVER", "EXPLICIT", "EXTRA", "USER", "LOGIN", "COMMAND_LINE":
		return ringcheck.OriginFile
	case "COMPILE-TIME", "COMPILED", "AUTO":
		return ringcheck.OriginDefault
	case "PERSISTED":
		return ringcheck.OriginPersisted
	case "SQL", "DYNAMIC":
		return ringcheck.OriginSQL
	}
	return ""
}

func (c *conn) statusFacts(ctx context.Context) (map[string]string, error) {
	t, err := c.query(ctx, "SHOW GLOBAL STATUS")
	if err != nil {
		return nil, err
	}
	found := make(map[string]string, len(t.rows))
	for _, row := range t.rows {
		found[strings.ToLower(row[0])] = row[1]
	}
	return found, nil
}

// clockFacts compares the clocks; the best of three round trips counts.
func (c *conn) clockFacts(ctx context.Context) (best ringcheck.Clock, err error) {
	for try := range 3 {
		before := time.Now()
		t, err := c.query(ctx, "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS CHAR)")
		half := time.Since(before) / 2
		if err != nil {
			return best, err
		}
		seconds, fraction, _ := strings.Cut(t.value(), ".")
		whole, err := strconv.ParseInt(seconds, 10, 64)
		micros, errMicros := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
		if err = errors.Join(err, errMicros); err != nil {
			return best, fmt.Errorf("the server's time %q: %w", t.value(), err)
		}
		if try == 0 || half < best.Error {
			best = ringcheck.Clock{Ahead: time.Unix(whole, micros*1000).Sub(before.Add(half)), Error: half}
		}
	}
	return best, nil
}

func (c *conn) transactionFacts(ctx context.Context) ([]ringcheck.Transaction, error) {
	t, err := c.query(ctx, `SELECT t.trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), p.user
		FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id=t.trx_mysql_thread_id
		WHERE p.user NOT IN ('system user', 'event_scheduler') AND p.id<>CONNECTION_ID() ORDER BY t.trx_started LIMIT 1000`)
	if err != nil {
		return nil, err
	}
	found := make([]ringcheck.Transaction, 0, len(t.rows))
	for _, row := range t.rows {
		id, errID := strconv.ParseUint(row[0], 10, 64)
		seconds, errTime := strconv.ParseInt(row[1], 10, 64)
		if err := errors.Join(errID, errTime); err != nil {
			return nil, fmt.Errorf("transactions: %w", err)
		}
		found = append(found, ringcheck.Transaction{Connection: id, For: time.Duration(seconds) * time.Second, User: row[2]})
	}
	return found, nil
}

func (c *conn) preparedFacts(ctx context.Context) ([]string, error) {
	t, err := c.query(ctx, "XA RECOVER")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, r := range named(t) {
		found = append(found, strconv.Quote(r["data"]))
	}
	slices.Sort(found)
	return found, nil
}

// diskFacts asks MariaDB's plugin disks for the file system of the data; nil: there is no
// such plugin, or the account may not see it (it needs FILE).
func (c *conn) diskFacts(ctx context.Context) (*ringcheck.Disk, error) {
	if c.version.Flavour == topology.FlavourMySQL {
		return nil, nil
	}
	t, err := c.query(ctx, `SELECT d.path, d.total, d.available FROM information_schema.disks d
		WHERE LEFT(@@datadir, LENGTH(d.path))=d.path ORDER BY LENGTH(d.path) DESC LIMIT 1`)
	if isNumber(err, errUnknownTable, errMissingPrivilege) {
		return nil, nil
	}
	if err != nil || len(t.rows) == 0 {
		return nil, err
	}
	total, errTotal := strconv.ParseUint(t.rows[0][1], 10, 64)
	free, errFree := strconv.ParseUint(t.rows[0][2], 10, 64)
	if err := errors.Join(errTotal, errFree); err != nil {
		return nil, fmt.Errorf("disks: %w", err)
	}
	return &ringcheck.Disk{Path: t.rows[0][0], Total: total << 10, Free: free << 10}, nil
}

// errUnknownTable is that of a table of information_schema that is not there.
const errUnknownTable = 1109
