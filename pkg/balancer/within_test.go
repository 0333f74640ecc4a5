package balancer

import (
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// For how long a text says that it may run is read off each text, whatever other text of its
// digest was read first: MySQL's of what reads alone, MariaDB's of all.
func TestWithin(t *testing.T) {
	const none = -1
	maria, mysql := Dialect{Flavour: topology.FlavourMariaDB, Version: 101100}, Dialect{Flavour: topology.FlavourMySQL, Version: 80400}
	for _, tt := range []struct {
		dialect Dialect
		text    string
		want    time.Duration
	}{
		{mysql, "SELECT /*+ MAX_EXECUTION_TIME(250) */ a FROM t", 250 * time.Millisecond},
		{mysql, "SELECT /*+ max_execution_time( 1000 ) */ a FROM t", time.Second},
		{mysql, "SELECT /*+ BKA(t) SET_VAR(sort_buffer_size = 16777216) MAX_EXECUTION_TIME(10) */ a FROM t", 10 * time.Millisecond},
		{mysql, "SELECT /*+ MAX_EXECUTION_TIME(0) */ a FROM t", none},
		{mysql, "INSERT /*+ MAX_EXECUTION_TIME(250) */ INTO t SELECT 1", none},
		{mysql, "SELECT a FROM t WHERE 'MAX_EXECUTION_TIME(250)'", none},
		{mysql, "SELECT a FROM t WHERE max_execution_time (250)", none},
		{mysql, "SELECT /*+ SET_VAR(sort_buffer_size = 16777216) */ a FROM t", none},
		{mysql, "SELECT 1; SELECT /*+ MAX_EXECUTION_TIME(250) */ a FROM t", none},
		{maria, "SELECT /*+ MAX_EXECUTION_TIME(250) */ a FROM t", none}, // a comment
		{maria, "SET STATEMENT max_statement_time=0.25 FOR SELECT a FROM t", 250 * time.Millisecond},
		{maria, "set statement sort_buffer_size=3, MAX_STATEMENT_TIME = 2 for UPDATE t SET a=9", 2 * time.Second},
		{maria, "SET STATEMENT max_statement_time=0 FOR SELECT a FROM t", 0},
		{maria, "SET STATEMENT max_statement_time=@a FOR SELECT a FROM t WHERE max_statement_time+7", none},
		{maria, "SET STATEMENT sort_buffer_size=3 FOR SELECT a FROM t", none},
		{maria, "SET max_statement_time=3", none},
	} {
		var d Digester
		d.Digest([]byte(tt.text), tt.dialect)
		if !d.Whole() {
			t.Fatalf("%s: not whole", tt.text)
		}
		within, ok := MakePlan(&d, tt.dialect).Within([]byte(tt.text), tt.dialect)
		if ok != (tt.want != none) || ok && within != tt.want {
			t.Errorf("%s: %v, %v", tt.text, within, ok)
		}
	}
}
