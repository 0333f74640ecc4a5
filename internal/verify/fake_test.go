package verify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/verify"
	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// world is members in memory, each with one table shop.card of a number per row. It is a
// stand-in for servers where a test has to stop, lose or slow one; real ones are compared
// in internal/app.
type world struct {
	mu      sync.Mutex
	names   []string
	rows    map[string]map[int]string // member, id, value
	away    map[string]bool
	behind  map[string]bool
	held    string                   // why nobody is allowed; empty: all are
	onSum   func(n int)              // before the n-th digest
	onLock  func(m string, w *world) // once, when a row was locked
	sums    int
	closing time.Duration // a connection takes to be closed
	barred  string        // another table before shop.card, of which every reading is refused; empty: there is none
	written []string
}

func newWorld(n int) *world {
	w := &world{names: []string{"m1", "m2"}, rows: map[string]map[int]string{}, away: map[string]bool{}, behind: map[string]bool{}}
	for _, name := range w.names {
		w.rows[name] = map[int]string{}
		for i := range n {
			w.rows[name][i] = fmt.Sprint("v", i)
		}
	}
	return w
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) Members() []string   { return w.names }
func (w *world) Owner(string) string { return "m1" }

func (w *world) Open(_ context.Context, member string) (verify.Rows, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away[member] {
		return nil, errors.New(member + " does not answer")
	}
	return &rows{world: w, name: member}, nil
}

func (w *world) Allowed(time.Duration) (bool, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held == "", w.held
}

// rows is a connection to a member of the world.
type rows struct {
	*world

	name   string
	locked bool
}

var table = rowcheck.Table{
	Schema: "shop", Name: "card", Index: "PRIMARY", Key: []int{0}, Definition: "d", Rows: 100,
	Columns: []rowcheck.Column{{Name: "id", Kind: rowcheck.KindNumber}, {Name: "v", Kind: rowcheck.KindQuoted}},
}

func (r *rows) enter() (func(), error) {
	r.mu.Lock()
	if r.away[r.name] {
		r.mu.Unlock()
		return nil, errors.New(r.name + " does not answer")
	}
	return r.mu.Unlock, nil
}

// ids returns the ids of a range, sorted. The lock is held.
func (r *rows) ids(in rowcheck.Range) []int {
	var ids []int
	for id := range r.rows[r.name] {
		after, upto := -1, 1<<30
		if in.After != nil {
			after, _ = strconv.Atoi(in.After[0])
		}
		if in.Upto != nil {
			upto, _ = strconv.Atoi(in.Upto[0])
		}
		if id > after && id <= upto {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (r *rows) Tables(context.Context, string) ([]rowcheck.Table, error) {
	leave, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if r.barred == "" {
		return []rowcheck.Table{table}, nil
	}
	other := table
	other.Name = r.barred
	return []rowcheck.Table{other, table}, nil
}

// refusal is a server's word that it will say again.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) Final() bool     { return true }

func (r *rows) Sum(_ context.Context, _ rowcheck.Table, in rowcheck.Range) (uint64, string, error) {
	leave, err := r.enter()
	if err != nil {
		return 0, "", err
	}
	r.sums++
	n, hook := r.sums, r.onSum
	leave()
	if hook != nil {
		hook(n)
	}
	if leave, err = r.enter(); err != nil {
		return 0, "", err
	}
	defer leave()
	digest := ""
	for _, id := range r.ids(in) {
		digest += fmt.Sprint(id, "=", r.rows[r.name][id], " ")
	}
	return uint64(len(r.ids(in))), digest, nil
}

func (r *rows) Bound(_ context.Context, t rowcheck.Table, in rowcheck.Range, n int) (rowcheck.Key, error) {
	leave, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if t.Name == r.barred {
		return nil, refusal("SELECT command denied")
	}
	if ids := r.ids(in); len(ids) >= n {
		return rowcheck.Key{strconv.Itoa(ids[n-1])}, nil
	}
	return nil, nil
}

func (r *rows) Rows(_ context.Context, _ rowcheck.Table, in rowcheck.Range, limit int) (rowcheck.Reading, map[string]rowcheck.Key, bool, error) {
	leave, err := r.enter()
	if err != nil {
		return nil, nil, false, err
	}
	defer leave()
	reading, keys, ids := rowcheck.Reading{}, map[string]rowcheck.Key{}, r.ids(in)
	for _, id := range ids[:min(limit, len(ids))] {
		key := rowcheck.Key{strconv.Itoa(id)}
		reading[key.ID()], keys[key.ID()] = r.rows[r.name][id], key
	}
	return reading, keys, len(ids) > limit, nil
}

func (r *rows) RowsOf(_ context.Context, _ rowcheck.Table, keys []rowcheck.Key) (rowcheck.Reading, error) {
	leave, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	reading := rowcheck.Reading{}
	for _, key := range keys {
		id, _ := strconv.Atoi(key[0])
		if v, ok := r.rows[r.name][id]; ok {
			reading[key.ID()] = v
		}
	}
	return reading, nil
}

func (r *rows) Values(_ context.Context, _ rowcheck.Table, key rowcheck.Key) ([]rowcheck.Value, error) {
	leave, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	id, _ := strconv.Atoi(key[0])
	v, ok := r.rows[r.name][id]
	if !ok {
		return nil, nil
	}
	return []rowcheck.Value{{Text: key[0]}, {Text: v}}, nil
}

func (r *rows) Position(context.Context) (string, error) { return "", nil }

func (r *rows) Reach(context.Context, []string, time.Duration) (bool, error) {
	leave, err := r.enter()
	if err != nil {
		return false, err
	}
	defer leave()
	return !r.behind[r.name], nil
}

func (r *rows) Writing(context.Context) error { return nil }

func (r *rows) LockRow(ctx context.Context, t rowcheck.Table, key rowcheck.Key) (string, error) {
	reading, err := r.RowsOf(ctx, t, []rowcheck.Key{key})
	r.set(func() {
		if r.onLock != nil {
			r.onLock(r.name, r.world)
			r.onLock = nil
		}
	})
	r.locked = true
	return reading[key.ID()], err
}

func (r *rows) WriteRow(_ context.Context, _ rowcheck.Table, key rowcheck.Key, values []rowcheck.Value, _ bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.locked {
		return errors.New("the row is not locked")
	}
	id, _ := strconv.Atoi(key[0])
	r.written = append(r.written, fmt.Sprintf("%s %s %v", r.name, key[0], values))
	if values == nil {
		delete(r.rows[r.name], id)
		return nil
	}
	r.rows[r.name][id] = values[1].Text
	return nil
}

func (r *rows) Keep(context.Context) error { r.locked = false; return nil }
func (r *rows) Undo(context.Context) error { r.locked = false; return nil }

func (r *rows) Statement(_ rowcheck.Table, key rowcheck.Key, values []rowcheck.Value, _ bool) string {
	return fmt.Sprintf("write %s %v", key[0], values)
}

func (r *rows) Broken() bool { return false }
func (r *rows) Close()       { time.Sleep(r.world.closing) }
