package balancer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// divided is a ring in which shop and stock are units, and m2 owns shop.
func divided() *View {
	return &View{Units: []Unit{{ID: "*", Owner: "m1", Epoch: 3}, {ID: "shop", Owner: "m2", Epoch: 5}, {ID: "stock", Owner: "m1", Epoch: 3}}}
}

func touchOf(text, schema string) Touch {
	var d Digester
	d.Digest([]byte(text), mariadb)
	return divided().Touches(MakePlan(&d, mariadb), schema)
}

// What is too long to be read may touch anything.
func TestTouchesOfTruncated(t *testing.T) {
	if got := touchOf("SELECT f(a)"+strings.Repeat(", f(a)", 20_000)+" FROM shop.card", "shop"); len(got.Units) != 3 || !got.Writes || got.Neutral {
		t.Errorf("%+v", got)
	}
}

func TestTouches(t *testing.T) {
	tests := []struct {
		text, schema string
		want         string // units; W: writes, N: neutral
	}{
		{"INSERT INTO card VALUES (1)", "shop", "shop W"},
		{"INSERT INTO card VALUES (1)", "", "* W"},
		{"INSERT INTO shop.card VALUES (1)", "other", "shop W"},
		{"INSERT INTO other.t VALUES (1)", "shop", "* W"},
		{"INSERT INTO shop.card SELECT * FROM t", "other", "*,shop W"},
		{"UPDATE shop.card c JOIN stock.item i ON i.id = c.id SET c.n = 1", "other", "shop,stock W"},
		{"INSERT INTO Shop.card VALUES (1)", "", "*,shop W"}, // it may be another schema, or the same
		{"SELECT * FROM shop.card", "", "shop"},
		{"SELECT * FROM shop.card, t", "stock", "shop,stock"},
		{"SELECT * FROM shop.card FOR UPDATE", "", "shop W"},
		{"SELECT price(1)", "shop", "shop W"},
		{"SELECT stock.price(1)", "shop", "shop,stock W"},
		{"SELECT table_name FROM information_schema.tables", "shop", "shop N"},
		{"SELECT 1", "shop", "shop N"},
		{"SHOW TABLES", "shop", "shop N"},
		{"BEGIN", "shop", "shop N"},
		{"COMMIT", "", "* N"},
		{"SET @a = 1", "shop", "shop N"},
		{"SET @a = price(1)", "shop", "shop W"},
		{"USE shop", "", "* N"},
		{"USE shop; INSERT INTO card VALUES (1)", "", "*,shop W"},
		{"INSERT INTO shop.card VALUES (1); INSERT INTO stock.item VALUES (1)", "", "shop,stock W"},
		{"CALL fill()", "shop", "shop W"},
		{"CALL shop.fill()", "", "*,shop W"},
		{"EXECUTE s", "shop", "*,shop,stock W"},
		{"PREPARE s FROM 'DELETE FROM t'", "shop", "*,shop,stock W"},
		{"XA COMMIT 'x'", "shop", "*,shop,stock W"},
		{"FROBNICATE t", "shop", "*,shop,stock W"},
		{"GRANT SELECT ON shop.* TO a", "shop", "* W"},
		{"CREATE USER a", "shop", "* W"},
		{"DROP DATABASE shop", "other", "shop W"},
		{"CREATE DATABASE fresh", "shop", "* W"},
		{"CREATE TABLE shop.t (a INT)", "", "shop W"},
		{"CREATE VIEW shop.v AS SELECT * FROM stock.item", "shop", "shop,stock W"},
		{"CREATE TRIGGER shop.t AFTER INSERT ON shop.card FOR EACH ROW INSERT INTO stock.item VALUES (1)", "shop", "shop,stock W"},
		{"CREATE PROCEDURE p() BEGIN DELETE FROM stock.item; END", "shop", "shop,stock W"},
		{"LOCK TABLES shop.card WRITE", "", "shop W"},
		{"UNLOCK TABLES", "shop", "shop N"},
		{"TRUNCATE shop.card", "", "shop W"},
		{"FLUSH TABLES", "shop", "*"},
		{"ANALYZE TABLE card", "shop", "shop W"},
	}
	for _, tt := range tests {
		if got := describeTouch(touchOf(tt.text, tt.schema)); got != tt.want {
			t.Errorf("%s (in %q): %s, want %s", tt.text, tt.schema, got, tt.want)
		}
	}
	if got := describeTouch(divided().Touches(nil, "shop")); got != "shop N" {
		t.Errorf("a command without a text: %s", got)
	}
}

func describeTouch(t Touch) string {
	names := make([]string, 0, len(t.Units))
	for _, u := range t.Units {
		names = append(names, string(u))
	}
	text := strings.Join(names, ",")
	if t.Writes {
		text += " W"
	}
	if t.Neutral {
		text += " N"
	}
	return text
}

func TestTouchesCut(t *testing.T) {
	for _, tt := range []struct {
		text   string
		single bool
		want   string
	}{
		{"INSERT INTO card (a, b) VALUES (1, ", true, "shop W"},
		{"INSERT INTO stock.item VALUES (", true, "shop,stock W"}, // functions may follow
		{"INSERT INTO card VALUES (", false, "*,shop,stock W"},
		{"UPDATE card SET a = ", true, "*,shop,stock W"},
		{"SELECT * FROM card WHERE id IN (", true, "*,shop,stock W"},
		{"CREATE PROCEDURE p() BEGIN ", true, "*,shop,stock W"},
	} {
		var d Digester
		d.Digest([]byte(tt.text), mariadb)
		if got := describeTouch(divided().TouchesCut(MakePlan(&d, mariadb), "shop", tt.single)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
	}
	if got := describeTouch(divided().TouchesCut(nil, "shop", true)); got != "*,shop,stock W" {
		t.Errorf("nothing is known: %s", got)
	}
}

func TestApart(t *testing.T) {
	v := divided()
	for _, tt := range []struct {
		units []topology.UnitID
		want  string
	}{
		{[]topology.UnitID{"*", "stock"}, "<nil>"},
		{[]topology.UnitID{"shop"}, "<nil>"},
		{[]topology.UnitID{"*", "shop"}, "units with different owners: * (owner m1), shop (owner m2)"},
	} {
		if got := fmt.Sprint(v.Apart(tt.units)); got != tt.want {
			t.Errorf("%v: %s", tt.units, got)
		}
	}
	v.Units[1].Owner = "" // it moves: that is waited for
	if err := v.Apart([]topology.UnitID{"*", "shop"}); err != nil {
		t.Error(err)
	}
}

func TestSameEpochs(t *testing.T) {
	a, b := divided(), divided()
	b.Units[1].Epoch++
	for units, want := range map[topology.UnitID]bool{"*": true, "stock": true, "shop": false} {
		if got := a.Same(b, []topology.UnitID{units}); got != want {
			t.Errorf("%s: %v", units, got)
		}
	}
	whole := &View{Units: a.Units[:1]}
	if whole.Same(a, []topology.UnitID{"shop"}) {
		t.Error("what is a unit of its own now is taken for a part of *")
	}
}
