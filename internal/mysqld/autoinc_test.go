package mysqld_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/autoinc"
)

// keys makes tables with columns of every type that counts, and a key in some.
func keys() []string {
	return []string{
		"CREATE DATABASE shop",
		"CREATE TABLE shop.tiny (a TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY)",
		"CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(10))",
		"CREATE TABLE shop.log (at INT, n BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, KEY (n))",
		"CREATE TABLE shop.none (id INT PRIMARY KEY)",
		"CREATE VIEW shop.seen AS SELECT * FROM shop.orders",
		"INSERT INTO shop.tiny VALUES (200)",
		"INSERT INTO shop.orders (id, what) VALUES (2000000000, 'old')",
	}
}

func checkColumns(t *testing.T, columns []autoinc.Column) {
	t.Helper()
	var names []string
	for _, c := range columns {
		names = append(names, c.Name())
	}
	if want := []string{"shop.orders.id", "shop.tiny.a", "shop.log.n"}; !slices.Equal(names, want) {
		t.Fatalf("columns %v, want %v: what is used most first", names, want)
	}
	if c := columns[0]; c.Max != 2147483647 || c.Next < 2000000001 || c.Next > 2000000016 {
		t.Errorf("orders: %+v", c)
	}
	if c := columns[1]; c.Max != 255 || c.Next < 201 || c.Next > 216 {
		t.Errorf("tiny: %+v", c)
	}
	if c := columns[2]; c.Max != 18446744073709551615 || c.Next != 1 {
		t.Errorf("log: %+v", c)
	}
}

func TestColumnsAndCountingOfMariaDB(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "MySQL shows its sessions, and has a test of its own")
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	n.Exec(t, "SET GLOBAL read_only=0")
	for _, statement := range keys() {
		n.Exec(t, statement)
	}
	columns, err := n.Columns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkColumns(t, columns)
	counting, err := n.Counting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if counting.Global != n.slot || counting.Sessions != nil || counting.Open < 1 {
		t.Errorf("counting: %+v, want %s, no sessions, and the test's own connection", counting, n.slot)
	}
	n.Exec(t, "SET GLOBAL auto_increment_offset=5") // nobody was asked
	if counting, err = n.Counting(t.Context()); err != nil || counting.Global != (autoinc.Layout{Offset: 5, Stride: 16}) {
		t.Errorf("after a change: %+v, %v", counting, err)
	}
	n.Kill()
	if _, err := n.Columns(t.Context()); err == nil {
		t.Error("a dead member has columns")
	}
	if _, err := n.Counting(t.Context()); err == nil {
		t.Error("a dead member counts")
	}
}

func TestColumnsAndCountingOfMySQL(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	s := mysqltest.StartMySQL(t)
	for _, statement := range keys() {
		s.Exec(t, statement)
	}
	m := mysqld.New(config(), "m1", s.Addr)
	t.Cleanup(m.Close)
	columns, err := m.Columns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkColumns(t, columns)
	s.Exec(t, "SET GLOBAL auto_increment_increment=16")
	s.Exec(t, "SET GLOBAL auto_increment_offset=2")
	counting, err := m.Counting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if counting.Global != (autoinc.Layout{Offset: 2, Stride: 16}) || counting.Sessions == nil {
		t.Fatalf("counting: %+v", counting)
	}
	// The test's own session is of before the change: it is found.
	if !slices.Contains(slices.Collect(maps.Values(counting.Sessions)), autoinc.Layout{Offset: 1, Stride: 1}) {
		t.Errorf("the session of the old layout is not found: %v", fmt.Sprint(counting.Sessions))
	}
}
