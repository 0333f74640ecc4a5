package mysqld

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sqlring/sqlring/pkg/topology"
)

// mariaDB is the dialect of MariaDB 10.5 and later. Its verbs are in
// mariadb_observe.go (what is seen), mariadb_hands.go (who may act),
// mariadb_act.go (how an action runs) and one file per group of actions.
type mariaDB struct{}

// session keeps what the connection does out of the binlog, but for heartbeats.
// A probe's statement that hangs is ended by the server itself: its connection
// is given up long before, and such threads must not pile up.
func (mariaDB) session(ctx context.Context, c *conn, why purpose) error {
	set := fmt.Sprintf("SET SESSION lock_wait_timeout=%d, idle_transaction_timeout=0, sql_mode=''", lockWait)
	switch why {
	case forProbe:
		set += ", sql_log_bin=0, max_statement_time=3"
	case forTies:
		set += ", sql_log_bin=0, max_statement_time=20"
	case forHands:
		set += ", sql_log_bin=0, max_statement_time=0"
	case forCopy:
		set += copySession + mariaDB{}.copying(c.version).session
	case forBeat:
		set += ", innodb_lock_wait_timeout=1"
	}
	origins, err := c.query(ctx, set+`;
		SELECT variable_name, global_value_origin='CONFIG', IFNULL(global_value_path,'')
		FROM information_schema.system_variables WHERE variable_name IN ('READ_ONLY','LOG_SLAVE_UPDATES')`)
	if err != nil {
		return err
	}
	for _, row := range origins.rows {
		inFile := row[1] == "1"
		if row[0] == "READ_ONLY" {
			c.readOnlyInFile = inFile
		} else if c.logReplicaInFile = inFile; inFile {
			c.configFile = row[2]
		}
	}
	return nil
}

// beat guards the write by the session's identity and the server's: a session keeps
// the server and domain id of the moment when it connected, and under a stranger's the
// ring would drop the row silently. A server that was restarted and not prepared yet has
// its config file's, which may be anything but those that were issued to it.
func (mariaDB) beat(ctx context.Context, c *conn, issued uint32, row topology.Beat) (bool, error) {
	t, err := c.query(ctx, fmt.Sprintf(`INSERT INTO sqlring.heartbeat (member, node, seq) SELECT ?, ?, ? FROM DUAL
		WHERE @@session.gtid_domain_id=%[1]d AND @@session.server_id=%[1]d
		AND @@global.gtid_domain_id=%[1]d AND @@global.server_id=%[1]d
		ON DUPLICATE KEY UPDATE seq=VALUES(seq); SELECT ROW_COUNT()`, issued),
		string(row.Origin), string(row.Node), row.Seq)
	return t.value() != "0", err
}

func (mariaDB) beatWaits(ctx context.Context, c *conn, connection uint64) (bool, error) {
	t, err := c.query(ctx, `SELECT COUNT(*) FROM information_schema.processlist
		WHERE id=? AND info LIKE 'INSERT INTO sqlring.heartbeat%'`, connection)
	return t.value() != "0", err
}

// privilege is the JSON of mysql.global_priv.priv, as far as a login needs it.
type privilege struct {
	Plugin string      `json:"plugin"`
	Hash   string      `json:"authentication_string"`
	Locked bool        `json:"account_locked"`
	Role   bool        `json:"is_role"`
	TLS    int         `json:"ssl_type"` // in the order of topology.RequireKind
	Cipher string      `json:"ssl_cipher"`
	Issuer string      `json:"x509_issuer"`
	Holder string      `json:"x509_subject"`
	Or     []privilege `json:"auth_or"` // several ways in; an empty one stands for the fields above
}

const nativePlugin = "mysql_native_password"

func (mariaDB) accounts(ctx context.Context, c *conn) ([]topology.Account, error) {
	t, err := c.query(ctx, "SELECT User, Host, Priv FROM mysql.global_priv ORDER BY User, Host")
	if err != nil {
		return nil, err
	}
	var list []topology.Account
	for _, row := range t.rows {
		var p privilege
		if err := json.Unmarshal([]byte(row[2]), &p); err != nil {
			return nil, fmt.Errorf("privileges of '%s'@'%s': %w", row[0], row[1], err)
		}
		if p.Role {
			continue // nobody logs in as a role
		}
		plugin, hash := p.login()
		list = append(list, topology.Account{
			User: row[0], Host: row[1], Plugin: plugin, Hash: hash, Locked: p.Locked,
			Require: topology.Require{Kind: topology.RequireKind(min(max(p.TLS, 0), int(topology.RequireSpecified))), Cipher: p.Cipher, Issuer: p.Issuer, Subject: p.Holder},
		})
	}
	return list, nil
}

// login returns the way in that a proxy can check: the native password if the
// account has one, else the first.
func (p privilege) login() (plugin, hash string) {
	first := privilege{Plugin: p.Plugin, Hash: p.Hash}
	if first.Plugin == "" {
		first.Plugin = nativePlugin // an account without a plugin has a password, perhaps an empty one
	}
	ways := []privilege{first}
	for _, way := range p.Or {
		if way.Plugin != "" {
			ways = append(ways, way)
		}
	}
	for _, way := range ways {
		if way.Plugin == nativePlugin {
			return way.Plugin, way.Hash
		}
	}
	return first.Plugin, first.Hash
}
