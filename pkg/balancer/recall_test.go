package balancer

import (
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

func TestRecall(t *testing.T) {
	d := Dialect{Flavour: topology.FlavourMariaDB, Version: 101100}
	for _, tt := range []struct{ text, want string }{
		{"SELECT ROW_COUNT()", "SELECT IF(TRUE,-1,ROW_COUNT()) AS `ROW_COUNT()`"},
		{"select row_count ( ) , 1", "select IF(TRUE,-1,ROW_COUNT()) AS `row_count ( )` , 1"},
		{"SELECT 1+ROW_COUNT() AS n", "SELECT 1+IF(TRUE,-1,ROW_COUNT()) AS n"},
		{"SELECT IF(ROW_COUNT() > 0, ROW_COUNT(), 2)", "SELECT IF(IF(TRUE,-1,ROW_COUNT()) > 0, IF(TRUE,-1,ROW_COUNT()), 2)"},
		{"SELECT 'ROW_COUNT()', row_count FROM t /* ROW_COUNT() */", ""},
		{"SELECT shop.ROW_COUNT()", ""},
		{"SELECT ROW_COUNT(1)", ""},
		{"SELECT 'open, ROW_COUNT()", ""},
		{"INSERT INTO t VALUES (ROW_COUNT());", "INSERT INTO t VALUES (IF(TRUE,-1,ROW_COUNT()));"},
	} {
		if got := string(Recall([]byte(tt.text), d, -1)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}
