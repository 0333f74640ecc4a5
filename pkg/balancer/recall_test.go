package balancer

import (
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

func TestRecall(t *testing.T) {
	d := Dialect{Flavour: topology.FlavourMariaDB, Version: 101100}
	for _, tt := range []struct{ text, want string }{
		{"SELECT ROW_COUNT()", "SELECT CAST(-1 AS SIGNED) AS `ROW_COUNT()`"},
		{"select row_count ( ) , 1", "select CAST(-1 AS SIGNED) AS `row_count ( )` , 1"},
		{"SELECT 1+ROW_COUNT() AS n", "SELECT 1+CAST(-1 AS SIGNED) AS n"},
		{"SELECT IF(ROW_COUNT() > 0, ROW_COUNT(), 2)", "SELECT IF(CAST(-1 AS SIGNED) > 0, CAST(-1 AS SIGNED), 2)"},
		{"SELECT 'ROW_COUNT()', row_count FROM t /* ROW_COUNT() */", ""},
		{"SELECT shop.ROW_COUNT()", ""},
		{"SELECT ROW_COUNT(1)", ""},
		{"SELECT 'open, ROW_COUNT()", ""},
		{"INSERT INTO t VALUES (ROW_COUNT());", "INSERT INTO t VALUES (CAST(-1 AS SIGNED));"},
	} {
		if got := string(Recall([]byte(tt.text), d, -1)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}
