package rowcheck

import (
	"maps"
	"slices"
)

// Rounds is in how many rounds in a row a row has to be seen unequal, and unchanged on each
// member, before it is said to differ.
const Rounds = 3

// Reading is what one member showed of rows: the digest of each by the ID of its key. A
// row that is not there is absent.
type Reading map[string]string

// Judge tells rows that differ from rows that are on their way. Make it with NewJudge; it
// is not safe for concurrent use.
type Judge struct {
	open    map[string]suspect
	differs map[string]bool
}

// suspect is a row that was unequal in the last round.
type suspect struct {
	seen   map[string]string // by member; empty: it is not there
	rounds int               // in a row with just this
}

// NewJudge begins with the rows of a first round: all that are not equal on all members.
func NewJudge(first map[string]Reading) *Judge {
	j := &Judge{open: map[string]suspect{}, differs: map[string]bool{}}
	for _, reading := range first {
		for id := range reading {
			if _, known := j.open[id]; known {
				continue
			}
			if seen := across(first, id); !equal(seen) {
				j.open[id] = suspect{seen: seen, rounds: 1}
			}
		}
	}
	return j
}

// across returns what each member shows of a row.
func across(readings map[string]Reading, id string) map[string]string {
	seen := make(map[string]string, len(readings))
	for member, reading := range readings {
		seen[member] = reading[id]
	}
	return seen
}

func equal(seen map[string]string) bool {
	first, any := "", false
	for _, digest := range seen {
		if !any {
			first, any = digest, true
		} else if digest != first {
			return false
		}
	}
	return true
}

// Open returns the rows that another round has to look at, sorted.
func (j *Judge) Open() []string {
	var ids []string
	for id := range j.open {
		if !j.differs[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Add takes a further round. Every member must have reached, before it was read, what all
// members had when the round before ended.
func (j *Judge) Add(round map[string]Reading) {
	for _, id := range j.Open() {
		seen := across(round, id)
		s := j.open[id]
		switch {
		case equal(seen):
			delete(j.open, id)
			continue
		case maps.Equal(seen, s.seen):
			s.rounds++
		default:
			s = suspect{seen: seen, rounds: 1}
		}
		j.open[id] = s
		j.differs[id] = s.rounds >= Rounds
	}
}

// Differ returns the rows that differ, sorted.
func (j *Judge) Differ() []string {
	var ids []string
	for id, yes := range j.differs {
		if yes {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Seen returns the digest of a row on each member in the last round; empty: it is not
// there.
func (j *Judge) Seen(id string) map[string]string { return maps.Clone(j.open[id].seen) }
