package mysqld_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// kinds makes tables a.t and b.t alike, a row of every type in a.t with values at the
// edges of it, and a row of NULLs.
func kinds(extra, values string) []string {
	columns := `id BIGINT UNSIGNED, i8 TINYINT, n DECIMAL(65,30), f FLOAT, d DOUBLE, e ENUM('a','b','c'), s SET('x','y','z'), b BIT(64),
		da DATE, dt DATETIME(6), ts TIMESTAMP(6) NULL, ti TIME(6), y YEAR, c CHAR(10) CHARACTER SET latin1, v VARCHAR(100) CHARACTER SET utf8mb4, tx LONGTEXT CHARACTER SET ucs2,
		bi BINARY(4), vb VARBINARY(100), bl LONGBLOB, j JSON, p POINT, g INT AS (i8+1) VIRTUAL, k INT AS (i8+1) STORED` + extra + `, PRIMARY KEY (id)`
	list := []string{"CREATE DATABASE a", "CREATE DATABASE b", "CREATE TABLE a.t (" + columns + ")", "CREATE TABLE b.t (" + columns + ")", "SET SESSION time_zone='+05:00', sql_mode=''"}
	names := "id, i8, n, f, d, e, s, b, da, dt, ts, ti, y, c, v, tx, bi, vb, bl, j, p"
	for _, row := range []string{
		`18446744073709551615, -128, '-99999999999999999999999999999999999.999999999999999999999999999999', -3.402823e38, 1.7976931348623157e308, 'a', '', 18446744073709551615,
			'1000-01-01', '1000-01-01 00:00:00.000001', '2026-07-01 03:04:05.999999', '-838:59:59', 1901, 'é', '日本''\\"', 'ü', X'00FF2700', X'', X'', '{"a": [1, 2.5, "é"]}', POINT(0.1, -7)`,
		`0, 127, 0.1, 1.17549e-38, 2.2250738585072014e-308, '', 'x,z', 0, '0000-00-00', '9999-12-31 23:59:59.999999', '1970-01-02 00:00:01', '838:59:59', 0, '', '', '', X'', X'27', REPEAT(X'00FF', 70000), '[]', POINT(1e300, 0)`,
		`1, 0, 1, 0.1, 0.1, 'c', 'y', 5, '2026-02-28', '2026-02-28 00:00:00', '2026-02-28 00:00:00', '00:00:00.5', 2026, 'ab  ', CONCAT('x', CHAR(0)), REPEAT('ä', 9), X'61', X'00', X'5C27', 'null', POINT(1, 1)`,
		`2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`,
	} {
		list = append(list, "INSERT INTO a.t ("+names+values+") VALUES ("+row+extraValue(values)+")")
	}
	return list
}

func extraValue(names string) string {
	if names == "" {
		return ""
	}
	return ", UUID(), 'fe80::1'"
}

// TestEveryTypeIsReadAndWrittenWhole: rows of every type are written into another table
// by what was read of them, and both tables have one digest; and each single change of a
// value changes the digest.
func TestEveryTypeIsReadAndWrittenWhole(t *testing.T) {
	t.Run("mariadb", func(t *testing.T) {
		n := world(t, 1)[0]
		n.Exec(t, "SET SESSION sql_log_bin=0; "+strings.Join(kinds(", u UUID, ip INET6", ", u, ip"), "; ")+
			"; GRANT INSERT, UPDATE, DELETE ON *.* TO "+managerAccount(t, n))
		copyRows(t, n.Member, func(statement string) { n.Exec(t, "SET SESSION sql_mode=''; "+statement) })
	})
	t.Run("mysql", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, before) })
		s := mysqltest.StartMySQL(t)
		for _, statement := range kinds("", "") {
			s.Exec(t, "SET SESSION time_zone='+05:00', sql_mode=''; "+statement)
		}
		m := mysqld.New(config(), "m1", s.Addr)
		defer m.Close()
		copyRows(t, m, func(statement string) { s.Exec(t, "SET SESSION sql_mode=''; "+statement) })
	})
}

func copyRows(t *testing.T, m *mysqld.Member, exec func(string)) {
	t.Helper()
	r, err := m.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tables, err := r.Tables(t.Context(), "")
	if err != nil || len(tables) != 2 || tables[0].Definition != tables[1].Definition || tables[0].Unfit != "" {
		t.Fatalf("tables: %+v, %v", tables, err)
	}
	from, to := tables[0], tables[1]
	if err := r.Writing(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, keys, more, err := r.Rows(t.Context(), from, rowcheck.Range{}, 10)
	if err != nil || more || len(keys) != 4 {
		t.Fatalf("rows: %d, more: %t, %v", len(keys), more, err)
	}
	for _, key := range keys {
		values, err := r.Values(t.Context(), from, key)
		if err != nil {
			t.Fatal(err)
		}
		writeRow(t, r, to, key, values)
	}
	same := func(what string, want bool) {
		t.Helper()
		_, a, errA := r.Sum(t.Context(), from, rowcheck.Range{})
		_, b, errB := r.Sum(t.Context(), to, rowcheck.Range{})
		if errA != nil || errB != nil || (a == b) != want {
			t.Errorf("%s: digests %s and %s, equal: want %t (%v, %v)", what, a, b, want, errA, errB)
		}
	}
	same("copied by what was read", true)
	for _, c := range from.Compared() {
		if c.Generated || c.Name == "id" {
			continue
		}
		for _, key := range keys { // a NULL for a value, and back
			if key[0] != "1" {
				continue
			}
			exec(fmt.Sprintf("UPDATE b.t SET `%s`=NULL WHERE id=1", c.Name))
			same(c.Name+" is NULL", false)
			values, err := r.Values(t.Context(), from, key)
			if err != nil {
				t.Fatal(err)
			}
			writeRow(t, r, to, key, values)
			same(c.Name+" is written back", true)
		}
	}
	logged(t, r, to, keys)
}

func writeRow(t *testing.T, r *mysqld.Comparer, in rowcheck.Table, key rowcheck.Key, values []rowcheck.Value) {
	t.Helper()
	digest, err := r.LockRow(t.Context(), in, key)
	if err == nil {
		err = r.WriteRow(t.Context(), in, key, values, digest != "")
	}
	if err == nil {
		err = r.Keep(t.Context())
	}
	if err != nil {
		t.Fatalf("row %v: %v", key, err)
	}
}

// logged deletes all rows, and looks whether any of that came into the binlog.
func logged(t *testing.T, r *mysqld.Comparer, in rowcheck.Table, keys map[string]rowcheck.Key) {
	t.Helper()
	before, err := r.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		writeRow(t, r, in, key, nil)
	}
	if rows, _, err := r.Sum(t.Context(), in, rowcheck.Range{}); rows != 0 || err != nil {
		t.Errorf("%d rows are left (%v)", rows, err)
	}
	if after, err := r.Position(t.Context()); after != before || err != nil {
		t.Errorf("the position went from %s to %s: it was logged (%v)", before, after, err)
	}
	if ok, err := r.Reach(t.Context(), []string{before}, time.Second); !ok || err != nil {
		t.Errorf("it does not have what it has: %t, %v", ok, err)
	}
}

// TestRangesOfKeysCoverATableOnce walks tables with keys of several sorts by small
// ranges: every row is in one of them, in each of the servers.
func TestRangesOfKeysCoverATableOnce(t *testing.T) {
	statements := []string{
		"CREATE DATABASE k", "CREATE TABLE k.n (i INT)", "INSERT INTO k.n VALUES (0),(1),(2),(3),(4),(5),(6)",
		"CREATE TABLE k.t1 (a VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, b INT, c DATETIME(3), PRIMARY KEY (a, b, c))",
		"INSERT INTO k.t1 SELECT CONCAT(ELT(1+x.i, 'a', 'é', 'Z', 'ß', '', 'a''', 'b'), x.i%2), y.i-3, TIMESTAMP('2026-01-01')+INTERVAL z.i*1001 MICROSECOND FROM k.n x, k.n y, k.n z",
		"CREATE TABLE k.t2 (a ENUM('q','p','o') NOT NULL, b DOUBLE, PRIMARY KEY (a, b))", "INSERT INTO k.t2 SELECT 1+x.i%3, (x.i*7+y.i-20)/9e0 FROM k.n x, k.n y",
		"CREATE TABLE k.t3 (a VARBINARY(32), PRIMARY KEY (a))", "INSERT INTO k.t3 SELECT UNHEX(SHA2(x.i*7+y.i, 256)) FROM k.n x, k.n y",
		"CREATE TABLE k.t4 (a INT NULL, b BIGINT NOT NULL, UNIQUE KEY u1 (a), UNIQUE KEY u2 (b))", "INSERT INTO k.t4 SELECT NULL, 9223372036854775800+x.i FROM k.n x",
	}
	walk := func(t *testing.T, m *mysqld.Member) {
		t.Helper()
		r, err := m.Compare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		tables, err := r.Tables(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			if table.Name == "n" {
				if len(table.Key) != 0 {
					t.Errorf("k.n has the key %v", table.Key)
				}
				continue
			}
			whole, _, _, err := r.Rows(t.Context(), table, rowcheck.Range{}, 10_000)
			if err != nil {
				t.Fatal(err)
			}
			var met []string
			for in := (rowcheck.Range{}); ; {
				if in.Upto, err = r.Bound(t.Context(), table, rowcheck.Range{After: in.After}, 5); err != nil {
					t.Fatal(err)
				}
				part, _, _, err := r.Rows(t.Context(), table, in, 100)
				if err != nil || in.Upto != nil && len(part) != 5 {
					t.Fatalf("%s after %v: %d rows, %v", table.Name, in.After, len(part), err)
				}
				for id, digest := range part {
					if whole[id] != digest {
						t.Errorf("%s %s is another row in a part", table.Name, id)
					}
					met = append(met, id)
				}
				if in.Upto == nil {
					break
				}
				in.After = in.Upto
			}
			slices.Sort(met)
			if len(met) != len(whole) || len(slices.Compact(met)) != len(whole) {
				t.Errorf("%s: parts have %d rows, the whole has %d", table.Name, len(met), len(whole))
			}
		}
	}
	t.Run("mariadb", func(t *testing.T) {
		n := world(t, 1)[0]
		n.Exec(t, "SET SESSION sql_log_bin=0; "+strings.Join(statements, "; "))
		walk(t, n.Member)
	})
	t.Run("mysql", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, before) })
		s := mysqltest.StartMySQL(t)
		for _, statement := range statements {
			s.Exec(t, statement)
		}
		m := mysqld.New(config(), "m1", s.Addr)
		defer m.Close()
		walk(t, m)
	})
}
