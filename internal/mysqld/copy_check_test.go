package mysqld_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestCopyChecksNameWhatIsInTheWay makes one thing wrong after the other, and has it named.
func TestCopyChecksNameWhatIsInTheWay(t *testing.T) {
	nodes := world(t, 2)
	source, target := nodes[0], nodes[1]
	source.do(t, source.prepare())
	source.do(t, open(1))
	source.Exec(t, "CREATE DATABASE shop; CREATE TABLE shop.goods (id INT PRIMARY KEY)")
	fleet, err := mysqld.NewFleet(config())
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	q := topology.CopyInquiry{Target: topology.Member{ID: target.id, Addr: target.Addr}, Source: topology.Member{ID: source.id, Addr: source.Addr}}
	definer := "SET USER"
	if isMySQL(t) {
		definer = "SET_ANY_DEFINER"
	}
	manager := "'" + mysqltest.Manager + "'@'127.0.0.1'"
	local := "SET SESSION sql_log_bin=0; "
	for _, tt := range []struct {
		name       string
		at         *node
		make, undo string
		edit       func(*topology.CopyInquiry)
		check      string
		verdict    topology.CopyVerdict
		says       string
	}{
		{name: "nothing", at: target, make: "DO 1", undo: "DO 1", check: "grants", verdict: topology.CopyFine},
		{name: "it holds something", at: target, make: local + "CREATE DATABASE rubbish", undo: local + "DROP DATABASE rubbish", check: "empty", verdict: topology.CopyRefused, says: "rubbish"},
		{
			name: "which is given up", at: target, make: local + "CREATE DATABASE rubbish", undo: local + "DROP DATABASE rubbish", check: "empty", verdict: topology.CopyWarning, says: "rubbish",
			edit: func(q *topology.CopyInquiry) { q.Discard = true },
		},
		{
			name: "a privilege", at: target, make: local + "REVOKE " + definer + " ON *.* FROM " + manager, undo: local + "GRANT " + definer + " ON *.* TO " + manager,
			check: "grants", verdict: topology.CopyRefused, says: definer,
		},
		{
			name: "an engine", at: source, make: "CREATE TABLE shop.old (a INT) ENGINE=MyISAM", undo: "DROP TABLE shop.old", check: "engines", verdict: topology.CopyRefused,
			says: "`shop`.`old` (MyISAM)",
		},
		{
			name: "the packets", at: source, make: "SET GLOBAL max_allowed_packet=1073741824", undo: "SET GLOBAL max_allowed_packet=67108864", check: "packets", verdict: topology.CopyRefused,
			says: "1073741824",
		},
		{name: "itself", at: target, make: "DO 1", undo: "DO 1", check: "identity", verdict: topology.CopyRefused, edit: func(q *topology.CopyInquiry) {
			q.Target.Addr = strings.Replace(source.Addr, "127.0.0.1", "localhost", 1)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.at.Server.Exec(t, tt.make)
			defer tt.at.Server.Exec(t, tt.undo)
			inquiry := q
			if tt.edit != nil {
				tt.edit(&inquiry)
			}
			found := fleet.CheckCopy(t.Context(), inquiry)
			i := slices.IndexFunc(found, func(c topology.CopyCheck) bool {
				return c.Name == tt.check && (tt.verdict == topology.CopyFine || c.Verdict == tt.verdict)
			})
			if i < 0 || found[i].Verdict != tt.verdict || !strings.Contains(found[i].What, tt.says) {
				t.Errorf("%s is not %s with %q: %+v", tt.check, tt.verdict, tt.says, found)
			}
			for _, c := range found {
				if c.Name != tt.check && c.Verdict == topology.CopyRefused && tt.name != "itself" {
					t.Errorf("%s is refused too: %s", c.Name, c.What)
				}
			}
		})
	}
}
