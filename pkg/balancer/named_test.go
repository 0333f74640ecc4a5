package balancer

import (
	"slices"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

func TestNamed(t *testing.T) {
	tests := []struct {
		name, body string
		dialect    Dialect
		want       []string
		known      bool
	}{
		{"a view as the server shows it", "select `shop`.`card`.`id` AS `id` from (`shop`.`card` join `stock`.`item` `i`)", Dialect{}, []string{"shop", "stock"}, true},
		{"columns of aliases", "SELECT c.id, i . n FROM card c, item i", Dialect{}, []string{"c", "i"}, true},
		{"three parts name one schema", "select stock.item.id", Dialect{}, []string{"stock"}, true},
		{"a schema twice", "select a.b from a.c", Dialect{}, []string{"a"}, true},
		{"a name with a quote in it", "select 1 from `a``b`.t", Dialect{}, []string{"a`b"}, true},
		{"in a string it is no name", "BEGIN SET @a = 'stock.item'; END", Dialect{}, nil, true},
		{"in a comment neither", "BEGIN /* stock.item */ DO 1; -- stock.item\nEND", Dialect{}, nil, true},
		{"but in an executable one", "BEGIN /*! CALL stock.p() */; END", Dialect{Flavour: topology.FlavourMariaDB, Version: 101119}, []string{"stock"}, true},
		{"a number is none", "SELECT 1.5, .5, 1.e3", Dialect{}, nil, true},
		{"a routine and a function", "BEGIN CALL stock.p(audit.f(1)); END", Dialect{}, []string{"stock", "audit"}, true},
		{"OLD and NEW of a trigger", "SET NEW.n = OLD.n + 1", Dialect{}, []string{"NEW", "OLD"}, true},
		{"double quotes are strings", `SELECT "stock"`, Dialect{}, nil, true},
		{"and names under ANSI_QUOTES", `SELECT * FROM "stock"."item"`, Dialect{AnsiQuotes: true}, []string{"stock"}, true},
		{"a keyword as a schema", "SELECT * FROM status.t", Dialect{}, []string{"status"}, true},
		{"a database is made", "BEGIN CREATE DATABASE IF NOT EXISTS stock; DROP SCHEMA `audit`; END", Dialect{}, []string{"stock", "audit"}, true},
		{"the function DATABASE", "SELECT DATABASE(), x FROM t", Dialect{}, nil, true},
		{"a text is executed", "BEGIN PREPARE s FROM @t; EXECUTE s; END", Dialect{}, nil, false},
		{"at once", "BEGIN EXECUTE IMMEDIATE @t; END", Dialect{}, nil, false},
		{"what can not be read", "SELECT a.b FROM `c", Dialect{}, []string{"a"}, false},
		{"nothing", "", Dialect{}, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, known := Named([]byte(tt.body), tt.dialect)
			if !slices.Equal(got, tt.want) || known != tt.known {
				t.Errorf("%q: got %q, known %t; want %q, %t", tt.body, got, known, tt.want, tt.known)
			}
		})
	}
}

func FuzzNamed(f *testing.F) {
	f.Add("select `shop`.`card`.`id` from a.b", false)
	f.Fuzz(func(t *testing.T, body string, ansi bool) {
		names, _ := Named([]byte(body), Dialect{AnsiQuotes: ansi})
		if len(names) > len(body) {
			t.Errorf("%q has %d names", body, len(names))
		}
	})
}
