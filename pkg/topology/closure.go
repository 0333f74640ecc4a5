package topology

import (
	"fmt"
	"slices"
	"strings"
)

// Tie is an object of a server that joins schemas: a statement on one of them can
// read or change another through it, so that they need one owner.
type Tie struct {
	Object string   `json:"object"`           // in words: "view shop.total", "foreign key stock.item_card"
	Home   string   `json:"home"`             // the schema that it is in
	Names  []string `json:"names"`            // the other schemas that it names, sorted
	Unread string   `json:"unread,omitempty"` // why it may name others still; empty: it does not
}

// String says the tie in words.
func (t Tie) String() string {
	if t.Unread != "" {
		return fmt.Sprintf("%s: %s", t.Object, t.Unread)
	}
	return fmt.Sprintf("%s names %s", t.Object, strings.Join(t.Names, ", "))
}

// local reports whether a schema is each server's own: to read it ties nothing.
func local(schema string) bool {
	switch strings.ToLower(schema) {
	case "information_schema", "performance_schema", "sys":
		return true
	}
	return false
}

// Closure returns the schemas that have to have one owner with schema, itself among
// them, sorted: those that ties join to it, directly or through others. rest is true
// if everything that is no unit of its own has to, because an object of one of them
// can not be read.
func Closure(schema string, ties []Tie) (set []string, rest bool) {
	set = []string{schema}
	for grown := true; grown; {
		grown = false
		for _, t := range ties {
			if !slices.ContainsFunc(append([]string{t.Home}, t.Names...), func(name string) bool { return slices.Contains(set, name) }) {
				continue
			}
			rest = rest || t.Unread != ""
			for _, name := range append([]string{t.Home}, t.Names...) {
				if !local(name) && !slices.Contains(set, name) {
					set = append(set, name)
					grown = true
				}
			}
		}
	}
	slices.Sort(set)
	return set, rest
}

// Cut is a tie that joins two units which have, or would have, different owners.
type Cut struct {
	Tie  Tie    `json:"tie"`
	A, B UnitID `json:"-"`
}

// Cuts returns the ties that a partition cuts: owner says who owns each unit. An
// object that can not be read ties its schema to "*".
func Cuts(owner map[UnitID]MemberID, ties []Tie) []Cut {
	unitOf := func(schema string) UnitID {
		if _, ok := owner[UnitID(schema)]; ok {
			return UnitID(schema)
		}
		return UnitRest
	}
	var cuts []Cut
	for _, t := range ties {
		home := unitOf(t.Home)
		others := []UnitID{}
		for _, name := range t.Names {
			if !local(name) {
				others = append(others, unitOf(name))
			}
		}
		if t.Unread != "" {
			others = append(others, UnitRest)
		}
		for _, other := range others {
			if owner[home] != owner[other] {
				cuts = append(cuts, Cut{t, home, other})
				break
			}
		}
	}
	return cuts
}

// CutsOfUnit returns the ties that would join the schema to another unit if it were one
// of its own, whoever owned them: a unit has to be a closed set.
func CutsOfUnit(s *Snapshot, id UnitID, ties []Tie) []Cut {
	owner := map[UnitID]MemberID{}
	for _, u := range s.Units {
		owner[u.ID] = "others"
	}
	owner[id] = "it"
	return Cuts(owner, ties)
}

// CutsOfJoin returns the ties that would join "*" to a unit of another owner if the unit
// were a part of it again.
func CutsOfJoin(s *Snapshot, id UnitID, ties []Tie) []Cut {
	owner := map[UnitID]MemberID{}
	for _, u := range s.Units {
		if u.ID != id {
			owner[u.ID] = u.Owner
		}
	}
	return Cuts(owner, ties)
}

// CutsOfMove returns the ties that a move of a unit would cut.
func CutsOfMove(s *Snapshot, id UnitID, to MemberID, ties []Tie) []Cut {
	owner := map[UnitID]MemberID{}
	for _, u := range s.Units {
		owner[u.ID] = u.Owner
	}
	owner[id] = to
	return Cuts(owner, ties)
}
