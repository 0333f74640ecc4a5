package demo

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// sqlStateUnknown is the proxy's answer for a write whose outcome it does not
// know.
const sqlStateUnknown = "08007"

// load sends cards and looks at them, at a steady rate, as a web site would. It
// never sends a write again whose outcome it does not know.
type load struct {
	db   *sql.DB
	stop context.CancelFunc
	wait sync.WaitGroup

	queries, sent, failed, unknown atomic.Uint64
	last                           atomic.Int64 // id of the newest card
	lastError                      atomic.Pointer[string]
}

// loadWorkers bounds the queries that are under way at once: while the ring
// pauses, the load waits like users do.
const loadWorkers = 4

// startLoad returns a load of qps queries per second, one in five of them a
// write. It is ended by its stop.
func (d *demo) startLoad(ctx context.Context, qps int) (*load, error) {
	db, err := d.connect(appUser, d.password, appDatabase)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(loadWorkers)
	l := &load{db: db}
	if qps == 0 {
		l.stop = func() {}
		return l, nil
	}
	ctx, l.stop = context.WithCancel(ctx)
	due := make(chan uint64) // capacity 0: what nobody takes is not sent later
	for range loadWorkers {
		l.wait.Go(func() {
			for n := range due {
				l.query(ctx, n)
			}
		})
	}
	l.wait.Go(func() {
		defer close(due)
		ticker := time.NewTicker(time.Second / time.Duration(qps))
		defer ticker.Stop()
		for n := uint64(0); ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			select {
			case <-ctx.Done():
				return
			case due <- n:
			}
		}
	})
	return l, nil
}

func (l *load) end() {
	l.stop()
	l.wait.Wait()
	_ = l.db.Close()
}

func (l *load) query(ctx context.Context, n uint64) {
	var err error
	if n%5 == 0 {
		err = l.send(ctx)
	} else {
		var views int
		err = l.db.QueryRowContext(ctx, "SELECT views FROM card WHERE id = ?", l.last.Load()).Scan(&views)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
	}
	if ctx.Err() != nil {
		return
	}
	l.queries.Add(1)
	if err == nil {
		return
	}
	text := err.Error()
	l.lastError.Store(&text)
	var answer *mysql.MySQLError
	if errors.As(err, &answer) && string(answer.SQLState[:]) == sqlStateUnknown {
		l.unknown.Add(1)
		return
	}
	l.failed.Add(1)
}

func (l *load) send(ctx context.Context) error {
	result, err := l.db.ExecContext(ctx, "INSERT INTO card (sender, recipient, greeting) VALUES ('ann', 'bob', 'A happy new year!')")
	if err != nil {
		return err
	}
	l.sent.Add(1)
	id, err := result.LastInsertId()
	if err == nil {
		l.last.Store(id)
	}
	return err
}
