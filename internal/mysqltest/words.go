package mysqltest

import (
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Words returns statements that are given in MariaDB's words in those of the servers of
// this run: what tests of both flavours need of replication, and where the status is.
func Words(t testing.TB, statements string) string {
	t.Helper()
	if Flavour(t) != topology.FlavourMySQL {
		return statements
	}
	return strings.NewReplacer(
		"STOP SLAVE", "STOP REPLICA", "START SLAVE", "START REPLICA", "RESET SLAVE", "RESET REPLICA",
		"CHANGE MASTER TO MASTER_HOST", "CHANGE REPLICATION SOURCE TO SOURCE_HOST", "MASTER_PORT", "SOURCE_PORT",
		"information_schema.global_status", "performance_schema.global_status",
	).Replace(statements)
}
