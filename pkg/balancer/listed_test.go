package balancer

import (
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

func TestClassifyFindsTablesOfThreads(t *testing.T) {
	for text, want := range map[string]bool{
		"SELECT * FROM information_schema.processlist":                    true,
		"select 1 from INFORMATION_SCHEMA . ProcessList p":                true,
		"SELECT * FROM performance_schema.threads":                        true,
		"SELECT trx_mysql_thread_id FROM information_schema.innodb_trx":   true,
		"INSERT INTO t SELECT id FROM information_schema.processlist":     true,
		"SELECT * FROM information_schema.tables":                         false,
		"SELECT * FROM processlist":                                       false, // whose? the session knows its schema
		"SELECT 'processlist' FROM information schema":                    false,
		"SET GLOBAL performance_schema_max_thread_instances=1, x=threads": true, // a sieve only
	} {
		if got := Classify([]byte(text), true).Listed; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for name, want := range map[string]bool{"information_schema": true, "PERFORMANCE_SCHEMA": true, "shop": false, "": false} {
		if IsSystemSchema(name) != want {
			t.Errorf("%q", name)
		}
	}
}

func TestIsThreadColumn(t *testing.T) {
	tests := []struct {
		table, name, called string
		want                bool
	}{
		{"PROCESSLIST", "ID", "id", true},
		{"processlist", "ID", "x", true},
		{"PROCESSLIST", "USER", "ID", false},
		{"cards", "ID", "ID", false},
		{"threads", "PROCESSLIST_ID", "p", true},
		{"threads", "THREAD_ID", "THREAD_ID", false},
		{"INNODB_TRX", "trx_mysql_thread_id", "t", true},
		{"", "", "CONNECTION_ID()", true},
		{"", "", "MAX(id)", false},
	}
	for _, tt := range tests {
		if got := IsThreadColumn([]byte(tt.table), []byte(tt.name), []byte(tt.called)); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestTranslate(t *testing.T) {
	to := func(n uint64) (uint64, bool) { return n - 1<<30, n == 1<<30+7 || n == 1<<30+12345 }
	d := Dialect{Flavour: topology.FlavourMariaDB, Version: 101119}
	for text, want := range map[string]string{
		"SELECT 1073741831": "SELECT 7",
		"SELECT id=1073741831 OR id IN (1073741831,1073754169,5)":          "SELECT id=7 OR id IN (7,12345,5)",
		"WHERE id='1073741831' AND x=\"1073754169\"":                       "WHERE id='7' AND x=\"12345\"",
		"/* 1073741831 */ SELECT '1073741831 x', `1073741831`":             "",
		"SELECT 1073741831.5, 10737418310, a1073741831, -- 1073741831\n 3": "",
		"SELECT 'it''s 1073741831', 1073741831 -- 1073741831":              "SELECT 'it''s 1073741831', 7 -- 1073741831",
		"SELECT @1073741831, x'1073741831', 0x1073741831":                  "",
		"SELECT 1073741831, 'open":                                         "",
		"SELECT '', \"\", ''":                                              "",
		"":                                                                 "",
	} {
		if got := string(Translate([]byte(text), d, to)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// What is translated is what the server takes for a number, or for all of a string: a
// translation to the same numbers changes nothing.
func FuzzTranslate(f *testing.F) {
	f.Add([]byte("SELECT 1073741831, '1073741831' FROM t -- x"))
	f.Add([]byte("SELECT 'a\\'1073741831"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := Translate(text, Dialect{}, func(n uint64) (uint64, bool) { return n, n >= 1<<30 })
		if len(got) > len(text) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
