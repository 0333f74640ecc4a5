package balancer

import (
	"slices"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

func TestUntold(t *testing.T) {
	maria, mysql := Dialect{Flavour: topology.FlavourMariaDB, Version: 101119}, Dialect{Flavour: topology.FlavourMySQL, Version: 90700}
	for _, tt := range []struct {
		body    string
		dialect Dialect
		want    []string
	}{
		{"SET @@time_zone = '+05:00'", maria, []string{"SET @@time_zone"}},
		{"SET @@time_zone = '+05:00'", mysql, nil},
		{"BEGIN SET NEW.v = 1, @@`Sql_Mode` := ''; RETURN 1; END", maria, []string{"SET @@sql_mode"}},
		{"BEGIN IF 1 THEN set @a = 1, @@x=1; END IF; SET @@x = 2, @@y = 3; END", maria, []string{"SET @@x", "SET @@y"}},
		{"SET @@session.time_zone = '+05:00', @@global.x = 1, SESSION y = 2, z = 3, @u = @@w", maria, nil},
		{"SELECT @@x = 1, @@y = 2", maria, nil},
		{"UPDATE t SET a = @@x = 1 WHERE @@y = 2", maria, nil},
		{"SET NEW.v = '@@x = 1' /* SET @@x = 1 */", maria, nil},
		{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", maria, []string{"SET TRANSACTION"}},
		{"SET SESSION TRANSACTION READ ONLY", maria, nil},
		{"SET TRANSACTION READ ONLY", mysql, nil},
		{"BEGIN START TRANSACTION; COMMIT; END", maria, nil},
		{"RETURN get_lock('a', 1) + GET_LOCK ('b', 1)", mysql, []string{"GET_LOCK"}},
		{"RETURN get_lock + RELEASE_LOCK('a')", maria, nil},
		{"BEGIN SET @@x = GET_LOCK('a', 0); END", maria, []string{"SET @@x", "GET_LOCK"}},
		{"", maria, nil},
	} {
		if got := Untold([]byte(tt.body), tt.dialect); !slices.Equal(got, tt.want) {
			t.Errorf("%s on %v: %q, want %q", tt.body, tt.dialect.Flavour, got, tt.want)
		}
	}
}
