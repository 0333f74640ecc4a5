package api

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	keysFirst  = 10 * time.Second // after the start, until the columns are read first
	keysEvery  = 5 * time.Minute
	keysKept   = 1000          // columns whose growth is remembered: those that are used most
	keysShown  = 20            // columns that metrics show
	keysOldest = 3 * keysEvery // how old a reading may be for metrics to show it
)

// HeadroomReport says how long the keys of each AUTO_INCREMENT column last.
type HeadroomReport struct {
	Ring    string         `json:"ring"`
	At      time.Time      `json:"at"`
	Stride  int            `json:"stride"`
	Total   int            `json:"total" doc:"columns that were found"`
	Columns []HeadroomLine `json:"columns" doc:"those that are used most first, limit at most"`
	Unknown []string       `json:"unknown" doc:"what could not be asked, and why; not empty: columns may be missing"`
}

// HeadroomLine is one column.
type HeadroomLine struct {
	Schema     string     `json:"schema"`
	Table      string     `json:"table"`
	Column     string     `json:"column"`
	Type       string     `json:"type"`
	Owner      string     `json:"owner" doc:"the member that gives out its values; empty: nobody now"`
	Max        uint64     `json:"max" doc:"largest value of the type"`
	Next       uint64     `json:"next" doc:"the next value is this or larger"`
	Used       float64    `json:"used" doc:"share of the key space that is gone, 0 to 1"`
	Left       uint64     `json:"left" doc:"rows that the owner can still insert at this stride"`
	Level      string     `json:"level" doc:"fine, watch (70 %), act (85 %), urgent (95 %) or full"`
	RowsPerDay *float64   `json:"rows_per_day" doc:"as they came since this node looks, two days at most; null: less than ten minutes are known"`
	OverMS     *int64     `json:"over_ms" doc:"from how long a past rows_per_day is; null: none"`
	RunsOut    *time.Time `json:"runs_out" doc:"when the keys are gone at this pace; null: not known, or not within 100 years"`
}

// keyspace remembers the columns and how they grow. It is safe for concurrent use.
type keyspace struct {
	mu      sync.Mutex
	at      time.Time
	columns []autoinc.Column          // of the last reading, the most used first
	growth  map[string]autoinc.Growth // by Column.Name, of the first keysKept
}

// take adds a reading. What is no longer among the most used is forgotten.
func (k *keyspace) take(at time.Time, columns []autoinc.Column) {
	k.mu.Lock()
	defer k.mu.Unlock()
	growth := make(map[string]autoinc.Growth, min(len(columns), keysKept))
	for _, c := range columns[:min(len(columns), keysKept)] {
		growth[c.Name()] = k.growth[c.Name()].With(at, c.Next)
	}
	k.at, k.columns, k.growth = at, columns, growth
}

// last returns the last reading, and when it was.
func (k *keyspace) last() (time.Time, []autoinc.Column) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.at, k.columns
}

func (k *keyspace) growthOf(name string) autoinc.Growth {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.growth[name]
}

// sampleKeys reads the columns now and then, until ctx ends.
func (s *Server) sampleKeys(ctx context.Context) {
	timer := time.NewTimer(keysFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if s.look().snap.Ring != nil {
			if _, unknown := s.readKeys(ctx); len(unknown) > 0 && ctx.Err() == nil {
				s.cfg.Logger.Warn("auto_increment columns could not be read", "what", unknown)
			}
		}
		timer.Reset(keysEvery)
	}
}

// readKeys asks the owners for their columns; where two have the same one, the
// larger next value counts. Nothing is remembered of a reading that lacks one.
func (s *Server) readKeys(ctx context.Context) (columns []autoinc.Column, unknown []string) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	leave, err := s.enterAsking(ctx)
	if err != nil {
		return nil, []string{err.Error()}
	}
	defer leave()
	l := s.look()
	owners := l.owners()
	if len(owners) == 0 {
		return nil, []string{"no unit has an owner: there is nobody to ask"}
	}
	largest := map[string]autoinc.Column{}
	for _, m := range owners {
		found, err := s.node.AskColumns(ctx, m)
		if err != nil {
			unknown = append(unknown, err.Error())
		}
		for _, c := range found {
			if known, ok := largest[c.Name()]; !ok || c.Next > known.Next {
				largest[c.Name()] = c
			}
		}
	}
	for _, c := range largest {
		columns = append(columns, c)
	}
	slices.SortFunc(columns, autoinc.Column.Compare)
	if len(unknown) == 0 {
		s.keys.take(l.now, columns)
	}
	return columns, unknown
}

// owners returns the members that own something, in ring order.
func (l look) owners() []topology.Member {
	var owners []topology.Member
	for _, m := range l.snap.Members {
		if l.snap.Owns(m.ID) {
			owners = append(owners, m)
		}
	}
	return owners
}

// ownerOf returns who gives out ids in a schema: the owner of its unit, or of the
// rest; false: nobody does now.
func (l look) ownerOf(schema string) (topology.Member, bool) {
	var rest topology.MemberID
	for _, u := range l.snap.Units {
		if string(u.ID) == schema {
			return l.snap.Member(u.Owner)
		}
		if u.ID == topology.UnitRest {
			rest = u.Owner
		}
	}
	return l.snap.Member(rest)
}

// headroom asks the owners and reports the columns that are used most.
func (s *Server) headroom(ctx context.Context, limit int) HeadroomReport {
	l := s.look()
	r := HeadroomReport{At: l.now.UTC(), Columns: []HeadroomLine{}, Unknown: []string{}}
	if l.snap.Ring == nil {
		return r
	}
	r.Ring, r.Stride = l.snap.Ring.Name, l.snap.Ring.Stride
	columns, unknown := s.readKeys(ctx)
	r.Unknown = append(r.Unknown, unknown...)
	r.Total = len(columns)
	for _, c := range columns[:min(len(columns), limit)] {
		r.Columns = append(r.Columns, l.headroomLine(c, s.keys.growthOf(c.Name()), r.Stride))
	}
	return r
}

// layoutIn returns by what ids are given out in a schema at a stride, and by
// whom. Where nobody does, the last slot stands for whoever will: it has the
// fewest values.
func (l look) layoutIn(schema string, stride int) (autoinc.Layout, string) {
	if m, ok := l.ownerOf(schema); ok {
		return m.Layout(stride), string(m.ID)
	}
	return autoinc.Layout{Offset: stride, Stride: stride}, ""
}

func (l look) headroomLine(c autoinc.Column, growth autoinc.Growth, stride int) HeadroomLine {
	layout, owner := l.layoutIn(c.Schema, stride)
	line := HeadroomLine{
		Schema: c.Schema, Table: c.Table, Column: c.Column, Type: c.Type, Owner: owner,
		Max: c.Max, Next: c.Next, Used: c.Used(), Left: c.Left(layout), Level: c.Level(layout).String(),
	}
	values, over, ok := growth.PerSecond()
	if !ok {
		return line
	}
	perSecond := values / float64(stride) // each row takes a whole stride of values
	perDay, overMS := perSecond*86400, over.Milliseconds()
	line.RowsPerDay, line.OverMS = &perDay, &overMS
	line.RunsOut = l.after(autoinc.Runway(c, layout, perSecond))
	return line
}

// after returns the time in d from now, nil beyond a hundred years.
func (l look) after(d time.Duration) *time.Time {
	const farAway = 100 * 365 * 24 * time.Hour
	if d > farAway {
		return nil
	}
	at := l.now.Add(d).UTC().Truncate(time.Second)
	return &at
}
