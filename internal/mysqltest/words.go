package mysqltest

import (
	"fmt"
	"regexp"
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
	statements = regexp.MustCompile(`(\w+\.)?seq_1_to_\d+`).ReplaceAllStringFunc(statements, func(table string) string {
		_, n, _ := strings.Cut(table, "_to_")
		return numbers(n)
	})
	return strings.NewReplacer(
		"STOP SLAVE", "STOP REPLICA", "START SLAVE", "START REPLICA", "RESET SLAVE", "RESET REPLICA", "SHOW SLAVE STATUS", "SHOW REPLICA STATUS",
		"CHANGE MASTER TO MASTER_HOST", "CHANGE REPLICATION SOURCE TO SOURCE_HOST", "MASTER_PORT", "SOURCE_PORT",
		"information_schema.global_status", "performance_schema.global_status",
	).Replace(statements)
}

// numbers is a table of the column seq, 1 to n, of a server without MariaDB's sequences.
func numbers(n string) string {
	const digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	var sum, from strings.Builder
	sum.WriteString("1")
	for i, table := range []string{"a", "b", "c", "d", "e"} {
		if i > 0 {
			from.WriteString(" CROSS JOIN ")
		}
		fmt.Fprintf(&sum, "+%s.d*1%s", table, strings.Repeat("0", i))
		fmt.Fprintf(&from, "%s AS %s", digits, table)
	}
	return fmt.Sprintf("(SELECT %[1]s AS seq FROM %[2]s WHERE %[1]s<=%[3]s) AS numbers", &sum, &from, n)
}
