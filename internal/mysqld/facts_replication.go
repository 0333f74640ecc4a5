package mysqld

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// words are the statements of replication in the words of a flavour's releases. MySQL
// has SOURCE and REPLICA from 8.0.22 (8.0.23 for CHANGE), and nothing else from 8.4 on.
type words struct{ status, replicas string }

func (c *conn) words() words {
	if c.version.Flavour == topology.FlavourMySQL {
		return words{status: "SHOW REPLICA STATUS", replicas: "SHOW REPLICAS"}
	}
	return words{status: linkStatement, replicas: hostsStatement}
}

func (c *conn) replicationFacts(ctx context.Context, found *ringcheck.Member) error {
	t, err := c.query(ctx, c.words().status)
	if err != nil {
		return err
	}
	rows := named(t)
	found.Receivers = len(rows)
	if len(rows) > 0 && field(rows[0], "Master_Host", "Source_Host") != "" {
		found.Link = linkFacts(rows[0])
	}
	if c.version.Flavour == topology.FlavourMariaDB {
		// SHOW ALL SLAVES STATUS can hang for ever: the threads are counted instead.
		t, err := c.query(ctx, "SELECT COUNT(*) FROM information_schema.processlist WHERE command='Slave_IO'")
		if err != nil {
			return err
		}
		if found.Receivers, err = strconv.Atoi(t.value()); err != nil {
			return err
		}
	}
	if t, err = c.query(ctx, c.words().replicas); err != nil {
		return err
	}
	if found.Replicas, err = readHosts(t); err != nil {
		return err
	}
	return c.binlogSizeFacts(ctx, found)
}

func (c *conn) binlogSizeFacts(ctx context.Context, found *ringcheck.Member) error {
	t, err := c.query(ctx, "SHOW BINARY LOGS")
	if isNumber(err, errNoBinlog) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, r := range named(t) {
		size, err := strconv.ParseUint(r["File_size"], 10, 64)
		if err != nil {
			return err
		}
		found.BinlogBytes += size
	}
	return nil
}

// errNoBinlog: "You are not using binary logging".
const errNoBinlog = 1381

// field returns the first of the columns that the row has.
func field(row map[string]string, names ...string) string {
	for _, name := range names {
		if value, ok := row[name]; ok {
			return value
		}
	}
	return ""
}

func linkFacts(row map[string]string) *ringcheck.Link {
	number := func(names ...string) int {
		n, _ := strconv.Atoi(field(row, names...)) // empty is none
		return n
	}
	l := &ringcheck.Link{
		Source:   net.JoinHostPort(field(row, "Master_Host", "Source_Host"), field(row, "Master_Port", "Source_Port")),
		User:     field(row, "Master_User", "Source_User"),
		Receiver: field(row, "Slave_IO_Running", "Replica_IO_Running"), Applier: field(row, "Slave_SQL_Running", "Replica_SQL_Running"),
		ReceiverErrno: number("Last_IO_Errno"), ApplierErrno: number("Last_SQL_Errno"),
		ReceiverError: row["Last_IO_Error"], ApplierError: row["Last_SQL_Error"],
		TLS:            field(row, "Master_SSL_Allowed", "Source_SSL_Allowed") == "Yes",
		ByGTID:         field(row, "Using_Gtid", "Auto_Position") == "1" || strings.HasSuffix(row["Using_Gtid"], "_Pos"),
		ConnectRetry:   float64(number("Connect_Retry")),
		IgnoredServers: row["Replicate_Ignore_Server_Ids"],
		Delay:          number("SQL_Delay"),
	}
	for name, value := range row {
		if value != "" && strings.HasPrefix(name, "Replicate_") && name != "Replicate_Ignore_Server_Ids" {
			l.Filters = append(l.Filters, strings.ToLower(name)+"="+value)
		}
	}
	slices.SortFunc(l.Filters, cmp.Compare[string])
	return l
}
