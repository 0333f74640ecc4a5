package proxy

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
)

// tables are the unique keys of tables of which statements are looked at, as a member told
// them. They are read in the background: until they are there, no key of a table is hot.
type tables struct {
	mu    sync.Mutex
	known map[string]*tableKeys
}

// tableKeys are those of one table.
type tableKeys struct {
	unique  atomic.Pointer[[]balancer.UniqueKey]
	reading atomic.Bool
	read    atomic.Uint32 // tick of it
}

const (
	maxTables     = 256
	tableKeysLast = 240 // ticks, after which they are read again
)

// keysOf returns the unique keys of a table, nil while they are not known.
func (p *Proxy) keysOf(g *memberGate, schema, table string) []balancer.UniqueKey {
	name := schema + "." + table
	p.tables.mu.Lock()
	t := p.tables.known[name]
	if t == nil {
		if p.tables.known == nil || len(p.tables.known) >= maxTables {
			p.tables.known = make(map[string]*tableKeys)
		}
		t = new(tableKeys)
		p.tables.known[name] = t
	}
	p.tables.mu.Unlock()
	unique := t.unique.Load()
	if (unique == nil || p.tick.Load()-t.read.Load() > tableKeysLast) && t.reading.CompareAndSwap(false, true) {
		p.running.Go(func() {
			defer t.reading.Store(false)
			ctx, cancel := context.WithTimeout(context.Background(), p.cfg.BackendTimeout)
			defer cancel()
			keys, err := p.cfg.UniqueKeys(ctx, g.id, schema, table)
			if err != nil {
				p.log.Debug("unique keys not read", "member", string(g.id), "table", name, "error", err)
				return
			}
			t.unique.Store(&keys)
			t.read.Store(p.tick.Load())
		})
	}
	if unique == nil {
		return nil
	}
	return *unique
}

// rowKey is a row that a command locks, found by a unique key.
type rowKey struct {
	key           gate.Key
	schema, table string
	unique        balancer.UniqueKey
}

// String is the row as it is shown: its values are told by a hash.
func (k rowKey) String() string {
	columns := make([]string, len(k.unique.Columns))
	for i, c := range k.unique.Columns {
		columns[i] = c.Name
	}
	return fmt.Sprintf("%s.%s(%s)#%08x", k.schema, k.table, strings.Join(columns, ","), uint32(k.key>>32))
}

// rowOf returns which row the command under way locks, if it is one by a unique key.
func (s *session) rowOf(g *memberGate) (row rowKey, ok bool) {
	f := &s.plan.Statements[0]
	schema, table := f.Tables[0].Schema, f.Tables[0].Name
	if schema == "" {
		schema = s.mem.schema
		if s.meant != nil {
			schema = s.meant.schema
		}
	}
	if schema == "" {
		return rowKey{}, false
	}
	unique := s.p.keysOf(g, schema, table)
	if len(unique) == 0 {
		return rowKey{}, false
	}
	values, ok := s.keyValues(f)
	if !ok {
		return rowKey{}, false
	}
	for _, u := range unique {
		if key, ok := hashRow(schema, table, u, f.Keys, values); ok {
			return rowKey{key, schema, table, u}, true
		}
	}
	return rowKey{}, false
}

// hashRow returns the key of the row with these values, if they are all of a unique key.
func hashRow(schema, table string, u balancer.UniqueKey, keys []balancer.Key, values [][]byte) (gate.Key, bool) {
	h := fnv.New64a()
	var room [64]byte
	_, _ = h.Write(append(append(append(room[:0], schema...), 0), table...))
	for _, c := range u.Columns {
		i := slices.IndexFunc(keys, func(k balancer.Key) bool { return strings.EqualFold(k.Column, c.Name) })
		if i < 0 || values[i] == nil {
			return 0, false
		}
		form, ok := balancer.AppendComparable(append(room[:0], 0), values[i], c.Compare)
		if !ok {
			return 0, false
		}
		_, _ = h.Write(form)
	}
	return gate.Key(h.Sum64()), len(u.Columns) > 0
}

// keyValues returns the values of the keys of the command's statement, nil for one that is
// not known.
func (s *session) keyValues(f *balancer.Facts) (values [][]byte, ok bool) {
	text := s.wholeText()
	if text == nil {
		return nil, false
	}
	d, ok := s.p.reader.digesters.Get().(*balancer.Digester)
	if !ok {
		d = new(balancer.Digester)
	}
	defer s.p.reader.digesters.Put(d)
	dialect := s.mem.dialect(s.p.version())
	d.Digest(text, dialect)
	places := d.Values()
	values = make([][]byte, len(f.Keys))
	for i, k := range f.Keys {
		if k.Value >= len(places) || places[k.Value].Count != 1 && !k.Row {
			continue
		}
		at, ok := balancer.ValueIn(text, dialect, places[k.Value], k.Nth)
		if !ok {
			continue
		}
		if at.Param >= 0 {
			values[i] = s.parameter(at.Param)
		} else if v, ok := balancer.Literal(text[at.Start:at.End]); ok {
			values[i] = v
		}
	}
	return values, true
}

// wholeText is the text of the command under way, nil if it is not there as a whole.
func (s *session) wholeText() []byte {
	if p := s.meant; p != nil {
		if !p.kept {
			return nil
		}
		return []byte(p.text)
	}
	c, _, err := readCommand(s.in.bytes())
	if err != nil || c.code != wire.ComQuery || !c.whole || len(c.packet) <= wire.HeaderSize+s.before {
		return nil
	}
	c.before = s.before
	return c.text()
}

// parameter returns a parameter's value of an execution, nil if it is not known.
func (s *session) parameter(i int) []byte {
	p := s.meant
	c, _, err := readCommand(s.in.bytes())
	if p == nil || err != nil || c.code != wire.ComStmtExecute || !c.whole || p.long {
		return nil
	}
	b := wire.ParseExecute(c.payload(), p.parameters, s.caps)
	types := b.Types
	if !b.Bound {
		types = p.types
	}
	v, ok := b.Value(c.payload(), types, i)
	if !ok {
		return nil
	}
	return v
}
