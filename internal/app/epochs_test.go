package app_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	linear "github.com/sqlring/sqlring/internal/history"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

type unitStatus = api.Unit

// history is what clients were told of their writes, with the epoch that each was
// written in and the member that took it, by the one clock of the test.
type history struct {
	first int // its clients are numbered from there on

	mu     sync.Mutex // guards what follows
	writes []epochWrite
}

// epochWrite is one write. epoch is what the client's node took for the epoch before and
// after it; 0 if that was not the same, or could not be asked. The row holds the epoch
// from before, and the id of the server that wrote it.
type epochWrite struct {
	site, client, seq int
	before, epoch     uint64
	began, ended      time.Time
	outcome           outcome
	err               error
	server            int // found in the row
}

func newHistory() *history { return &history{} }

// epochLoad is clients of one site that write, and read at the same site.
type epochLoad struct {
	h    *history
	site int
	stop context.CancelFunc
	wait sync.WaitGroup

	mu     sync.Mutex // guards what follows
	newest time.Time
	errs   []string
	read   int
}

// startEpochLoad starts clients of the proxy of nodes[site].
func (n *nodesRig) startEpochLoad(t *testing.T, h *history, site, clients int) *epochLoad {
	t.Helper()
	r := n.nodes[site]
	ctx, stop := context.WithCancel(context.Background())
	l := &epochLoad{h: h, site: site, stop: stop}
	db := r.pool(t, asApp)
	for c := range clients {
		l.wait.Go(func() {
			for seq := 0; ctx.Err() == nil; seq++ {
				l.once(r, db, epochWrite{site: site, client: h.first + 100*site + c, seq: seq})
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// epochOf asks the client's own node, which may be wrong about it.
func (r *rig) epochOf() uint64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	units, err := r.client.Units(ctx)
	for _, u := range units {
		if err == nil && u.Name == "*" && u.Owner != "" {
			return u.Epoch
		}
	}
	return 0
}

func (l *epochLoad) once(r *rig, db *sql.DB, w epochWrite) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	w.before, w.began = r.epochOf(), time.Now()
	_, w.err = db.ExecContext(ctx, "INSERT INTO steady.e (site, client, seq, epoch, server) VALUES (?, ?, ?, ?, @@server_id)", w.site, w.client, w.seq, w.before)
	w.ended = time.Now()
	if after := r.epochOf(); after == w.before {
		w.epoch = after
	}
	w.outcome = toldOf(w.err)
	l.h.mu.Lock()
	l.h.writes = append(l.h.writes, w)
	l.h.mu.Unlock()
	var count int
	readErr := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM steady.e WHERE id < 10").Scan(&count)
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.err == nil {
		l.newest = w.ended
	} else if len(l.errs) < 20 {
		l.errs = append(l.errs, fmt.Sprintf("%s: %v", w.ended.Format("05.000"), w.err))
	}
	if readErr == nil {
		l.read++
	}
}

// toldOf says what an answer says of a write: an error of the server's that does not say
// that the outcome is unknown says that nothing was done.
func toldOf(err error) outcome {
	var answer *mysql.MySQLError
	switch {
	case err == nil:
		return ok
	case errors.As(err, &answer) && string(answer.SQLState[:]) != "08007":
		return failed
	case errors.Is(err, driver.ErrBadConn): // nothing was sent
		return failed
	}
	return unknown
}

func (l *epochLoad) end() {
	l.stop()
	l.wait.Wait()
}

// last returns when a write of this site was acknowledged last.
func (l *epochLoad) last() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

func (l *epochLoad) told() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.errs, "; ")
}

func (l *epochLoad) reads() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read
}

// account looks for each write on each server, and notes which server took it.
func (h *history) account(t *testing.T, servers []*mysqltest.Server) (acked, failedN, unknownN int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	type row struct{ times, server int }
	for _, s := range servers {
		found := map[[2]int]row{}
		result, err := s.DB().QueryContext(t.Context(), "SELECT client, seq, server FROM steady.e")
		if err != nil {
			t.Fatal(err)
		}
		for result.Next() {
			var client, seq, server int
			if err := result.Scan(&client, &seq, &server); err != nil {
				t.Fatal(err)
			}
			found[[2]int{client, seq}] = row{found[[2]int{client, seq}].times + 1, server}
		}
		if err := errors.Join(result.Err(), result.Close()); err != nil {
			t.Fatal(err)
		}
		for i := range h.writes {
			w := &h.writes[i]
			at := found[[2]int{w.client, w.seq}]
			w.server = at.server
			switch {
			case w.outcome == ok && at.times == 0:
				t.Errorf("DATA: %s: lost: the write %d of client %d, acknowledged at %s", s.Name, w.seq, w.client, w.ended.Format("05.000"))
			case w.outcome == failed && at.times > 0:
				t.Errorf("%s: the write %d of client %d was refused (%v), and is there", s.Name, w.seq, w.client, w.err)
			case at.times > 1:
				t.Errorf("%s: the write %d of client %d is there %d times", s.Name, w.seq, w.client, at.times)
			}
		}
	}
	for _, w := range h.writes {
		switch w.outcome {
		case ok:
			acked++
		case failed:
			failedN++
		case unknown:
			unknownN++
		}
	}
	return acked, failedN, unknownN
}

// acknowledged returns the acknowledged writes whose epoch is known, in the order in
// which their answers were read.
func (h *history) acknowledged() []epochWrite {
	h.mu.Lock()
	defer h.mu.Unlock()
	var known []epochWrite
	for _, w := range h.writes {
		if w.outcome == ok && w.epoch > 0 {
			known = append(known, w)
		}
	}
	slices.SortFunc(known, func(a, b epochWrite) int { return a.ended.Compare(b.ended) })
	return known
}

// oneOwner looks at what account has found: in each epoch one server wrote, and no write
// of an epoch was begun after one of a later epoch was acknowledged.
func (h *history) oneOwner(t *testing.T) {
	t.Helper()
	writer := map[uint64]int{}
	var newest epochWrite
	for _, w := range h.acknowledged() {
		if other, seen := writer[w.epoch]; seen && other != w.server {
			t.Errorf("in epoch %d both servers %d and %d wrote", w.epoch, other, w.server)
		}
		writer[w.epoch] = w.server
		if w.epoch < newest.epoch {
			t.Errorf("the write %d of client %d, of epoch %d, was acknowledged at %s, after one of epoch %d at %s",
				w.seq, w.client, w.epoch, w.ended.Format("05.000"), newest.epoch, newest.ended.Format("05.000"))
		}
		if w.epoch > newest.epoch {
			newest = w
		}
	}
	if len(writer) == 0 {
		t.Error("no write knows its epoch: nothing was looked at")
	}
}

// linearizable has porcupine look for an order of the writes that explains their epochs
// and servers (account has found those).
func (h *history) linearizable(t *testing.T) {
	t.Helper()
	var writes []linear.Write
	acked := h.acknowledged()
	for _, w := range acked {
		writes = append(writes, linear.Write{
			Unit: "*", Epoch: w.epoch, Member: fmt.Sprint(w.server), Call: w.began.Sub(acked[0].began), Return: w.ended.Sub(acked[0].began),
		})
	}
	grants := linear.Inferred(writes)
	if err := linear.Check(grants, writes, 2*time.Minute); err != nil {
		t.Errorf("DATA: %d writes in %d epochs: %v", len(writes), len(grants), err)
	}
	t.Logf("FIGURE linearizable: %d writes in %d epochs", len(writes), len(grants))
}

// epochs returns how many epochs had a write.
func (h *history) epochs() int {
	seen := map[uint64]bool{}
	for _, w := range h.acknowledged() {
		seen[w.epoch] = true
	}
	return len(seen)
}

// pause returns the longest time without an acknowledged write at a site, among those
// that were begun after since and answered before until.
func (h *history) pause(site int, since, until time.Time) (worst time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ends []time.Time
	for _, w := range h.writes {
		if w.site == site && w.outcome == ok && w.ended.After(since) && w.ended.Before(until) {
			ends = append(ends, w.ended)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	for i := 1; i < len(ends); i++ {
		worst = max(worst, ends[i].Sub(ends[i-1]))
	}
	return worst
}
