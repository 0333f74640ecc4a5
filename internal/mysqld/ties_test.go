package mysqld_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// TestTiesAreWhatJoinsSchemas makes one object of each sort that joins two schemas,
// and one that does not.
func TestTiesAreWhatJoinsSchemas(t *testing.T) {
	n := world(t, 1)[0]
	for _, statement := range []string{
		"SET SESSION sql_log_bin=0, GLOBAL read_only=0",
		"CREATE DATABASE shop", "CREATE DATABASE stock", "CREATE DATABASE `Wild one`", "CREATE DATABASE blog",
		"CREATE TABLE shop.card (id INT PRIMARY KEY, n INT, KEY (n))", "CREATE TABLE stock.item (id INT PRIMARY KEY, n INT)",
		"CREATE TABLE blog.post (id INT PRIMARY KEY, n INT, CONSTRAINT item_post FOREIGN KEY (n) REFERENCES stock.item (id))",
		"CREATE TABLE blog.note (id INT PRIMARY KEY, n INT, CONSTRAINT post_note FOREIGN KEY (n) REFERENCES post (id))",
		"CREATE VIEW shop.total AS SELECT c.id, i.n FROM shop.card c JOIN stock.item i USING (id)",
		"CREATE VIEW shop.own AS SELECT id FROM shop.card",
		"CREATE TRIGGER shop.t1 AFTER INSERT ON shop.card FOR EACH ROW UPDATE stock.item SET n=n-1 WHERE id=NEW.id",
		"CREATE TRIGGER shop.t2 BEFORE INSERT ON shop.card FOR EACH ROW SET NEW.n=0",
		"CREATE PROCEDURE shop.p1() BEGIN CALL `Wild one`.p(); END",
		"CREATE PROCEDURE shop.p2() BEGIN SELECT card.n FROM card; END",
		"CREATE FUNCTION stock.f() RETURNS INT READS SQL DATA RETURN (SELECT MAX(n) FROM SHOP.card)",
		"CREATE PROCEDURE `Wild one`.p() BEGIN EXECUTE IMMEDIATE 'DELETE FROM shop.card'; END",
		"CREATE EVENT blog.e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM shop.card",
		"CREATE SEQUENCE stock.numbers", "CREATE TABLE shop.numbered (id BIGINT DEFAULT (NEXT VALUE FOR stock.numbers))",
	} {
		if isMySQL(t) {
			if strings.Contains(statement, "stock.numbers") { // it has no sequences
				continue
			}
			statement = strings.Replace(statement, "EXECUTE IMMEDIATE 'DELETE FROM shop.card';", "PREPARE s FROM 'DELETE FROM shop.card'; EXECUTE s;", 1)
		}
		n.Exec(t, statement)
	}
	ties, err := n.Ties(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tie := range ties {
		got = append(got, fmt.Sprintf("%s (in %s)", tie, tie.Home))
	}
	want := []string{
		"view shop.total names stock (in shop)",
		"trigger shop.t1 names stock (in shop)",
		"procedure shop.p1 names Wild one (in shop)",
		"function stock.f names shop (in stock)",
		"procedure Wild one.p: it executes texts, or can not be read (in Wild one)",
		"event blog.e names shop (in blog)",
		"foreign key blog.item_post names stock (in blog)",
		"default shop.numbered.id names stock (in shop)",
	}
	if isMySQL(t) {
		want = want[:len(want)-1]
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%q\nwant:\n%q", got, want)
	}
	if set, rest := topology.Closure("blog", ties); !rest || !slices.Equal(set, []string{"Wild one", "blog", "shop", "stock"}) {
		t.Errorf("the closure of blog is %q, and all the rest: %t", set, rest)
	}
}
