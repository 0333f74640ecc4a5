package topology

import (
	"slices"
	"testing"
)

func ties() []Tie {
	return []Tie{
		{Object: "view shop.total", Home: "shop", Names: []string{"stock"}},
		{Object: "foreign key stock.item_part", Home: "stock", Names: []string{"parts"}},
		{Object: "view blog.vars", Home: "blog", Names: []string{"information_schema"}},
		{Object: "procedure wild.p", Home: "wild", Unread: "it executes texts"},
	}
}

func TestClosure(t *testing.T) {
	tests := []struct {
		schema string
		want   []string
		rest   bool
	}{
		{"shop", []string{"parts", "shop", "stock"}, false},
		{"parts", []string{"parts", "shop", "stock"}, false},
		{"blog", []string{"blog"}, false},
		{"alone", []string{"alone"}, false},
		{"wild", []string{"wild"}, true},
	}
	for _, tt := range tests {
		got, rest := Closure(tt.schema, ties())
		if !slices.Equal(got, tt.want) || rest != tt.rest {
			t.Errorf("closure of %s: %v, rest %t; want %v, %t", tt.schema, got, rest, tt.want, tt.rest)
		}
	}
}

func TestCuts(t *testing.T) {
	s := &Snapshot{Units: []Unit{{ID: UnitRest, Owner: "m1"}, {ID: "stock", Owner: "m1"}, {ID: "blog", Owner: "m2"}}}
	tests := []struct {
		name string
		got  []Cut
		want []string
	}{
		{"a unit that a view ties to another", CutsOfUnit(s, "shop", ties()), []string{"view shop.total"}},
		{"one that is named from elsewhere", CutsOfUnit(s, "parts", ties()), []string{"foreign key stock.item_part"}},
		{"one whose objects name the server's own schemas", CutsOfUnit(s, "blog", ties()), nil},
		{"one with an object that can not be read", CutsOfUnit(s, "wild", ties()), []string{"procedure wild.p"}},
		{"a move away from what is tied to it", CutsOfMove(s, "stock", "m2", ties()), []string{"view shop.total", "foreign key stock.item_part"}},
		{"a move to where the rest is", CutsOfMove(s, "blog", "m1", ties()), nil},
		{"a join of what is tied to the rest", CutsOfJoin(s, "stock", ties()), nil},
		{"a join of what is tied to another owner's", CutsOfJoin(s, "stock", append(ties(), Tie{Object: "view stock.news", Home: "stock", Names: []string{"blog"}})), []string{"view stock.news"}},
		{"a move of the rest", CutsOfMove(s, UnitRest, "m2", ties()), []string{"view shop.total", "foreign key stock.item_part"}},
	}
	for _, tt := range tests {
		var got []string
		for _, c := range tt.got {
			got = append(got, c.Tie.Object)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: cuts %q, want %q", tt.name, got, tt.want)
		}
	}
}
