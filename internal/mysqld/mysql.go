package mysqld

import (
	"context"
	"fmt"

	"github.com/sqlring/sqlring/pkg/topology"
)

// mySQL is the dialect of MySQL 8.0.26 and later. Its verbs are laid out as those of
// mariaDB; what both do alike stands there.
type mySQL struct{}

// session keeps what the connection does out of the binlog, but for heartbeats. As on
// MariaDB the server ends a probe's statement that hangs, if it is a SELECT.
func (mySQL) session(ctx context.Context, c *conn, why purpose) error {
	set := fmt.Sprintf("SET SESSION lock_wait_timeout=%d, sql_mode=''", lockWait)
	switch why {
	case forProbe:
		set += ", sql_log_bin=0, max_execution_time=3000"
	case forTies:
		set += ", sql_log_bin=0, max_execution_time=20000"
	case forHands:
		set += ", sql_log_bin=0"
	case forCopy:
		set += copySession + mySQL{}.copying(c.version).session
	case forBeat:
		set += ", innodb_lock_wait_timeout=1"
	}
	return c.execute(ctx, set)
}

// accounts reads mysql.user. Roles are locked accounts without a password there.
func (mySQL) accounts(ctx context.Context, c *conn) ([]topology.Account, error) {
	t, err := c.query(ctx, `SELECT User, Host, plugin, authentication_string, account_locked, ssl_type, ssl_cipher, x509_issuer, x509_subject
		FROM mysql.user ORDER BY User, Host`)
	if err != nil {
		return nil, err
	}
	list := make([]topology.Account, 0, len(t.rows))
	for _, row := range t.rows {
		list = append(list, topology.Account{
			User: row[0], Host: row[1], Plugin: row[2], Hash: row[3], Locked: row[4] == "Y",
			Require: topology.Require{Kind: requireOf(row[5]), Cipher: row[6], Issuer: row[7], Subject: row[8]},
		})
	}
	return list, nil
}

// requireOf reads mysql.user.ssl_type. A word that is not known asks for all.
func requireOf(word string) topology.RequireKind {
	switch word {
	case "":
		return topology.RequireNothing
	case "ANY":
		return topology.RequireTLS
	case "X509":
		return topology.RequireX509
	}
	return topology.RequireSpecified
}

// beat writes only on a server that was prepared since it was started: before that
// nobody has held its disk against the others', and it might give numbers of its own
// out again. A session that is older than the server's identity logs the earlier
// server_id, which does no harm here: events are told by their GTIDs, and what a member
// has lost of its own came under the identity before.
func (mySQL) beat(ctx context.Context, c *conn, issued uint32, row topology.Beat) (bool, error) {
	t, err := c.query(ctx, fmt.Sprintf(`INSERT INTO sqlring.heartbeat (member, node, seq) SELECT ?, ?, ? FROM DUAL
		WHERE @@global.server_id=%d AND @@global.%s.key_cache_age_threshold=@@global.server_id*%d
		ON DUPLICATE KEY UPDATE seq=VALUES(seq); SELECT ROW_COUNT()`, issued, identityCache, cacheUnit),
		string(row.Origin), string(row.Node), row.Seq)
	if isNumber(err, errReadOnly) { // as it boots; looked at before the condition is
		mark, err2 := c.query(ctx, fmt.Sprintf("SELECT @@global.%s.key_cache_age_threshold", identityCache))
		if err2 == nil && mark.value() == "0" {
			return false, nil
		}
	}
	return t.value() != "0", err
}

func (mySQL) beatWaits(ctx context.Context, c *conn, connection uint64) (bool, error) {
	t, err := c.query(ctx, `SELECT COUNT(*) FROM performance_schema.processlist
		WHERE id=? AND info LIKE 'INSERT INTO sqlring.heartbeat%'`, connection)
	return t.value() != "0", err
}

func (mySQL) disarm(ctx context.Context, c *conn) error { return switchSemiSync(ctx, c, false) }

func (d mySQL) act(ctx context.Context, w work, a topology.Action) error {
	return act(ctx, w, a, d.deedOf)
}

func (mySQL) deedOf(k topology.ActionKind) (deed, bool) {
	switch k {
	case topology.ActPrepare:
		return deed{lacksPrepareMySQL, refusePrepareMySQL, runPrepareMySQL}, true
	case topology.ActFollow:
		return deed{lacksFollow, refuseFollowMySQL, runFollowMySQL}, true
	case topology.ActDetach:
		return deed{lacksDetach, refuseDetachMySQL, runDetachMySQL}, true
	case topology.ActAdopt:
		return deed{lacksAdopt, refuseAdopt, runAdoptMySQL}, true
	}
	return commonDeed(k)
}
