package burst

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Options are how a run is done. The zero value of each is the default.
type Options struct {
	Network, Addr  string // "tcp" and host:port, or "unix" and a path
	User, Password string
	Shape          Shape
	Clients        int           // connections at the most; default 200
	Patience       time.Duration // after which a client gives up; default 5 s
	Good           time.Duration // within which an answer is good; default 1 s
	Retries        int           // how often a client tries again after an error; 0: never
	Angry          bool          // it does so at once, by a new connection; else after a pause that grows
	Waiting        int           // requests that may be under way; what comes beyond is lost; default 20 000
	Reconnect      bool          // a connection for each request, which is closed after it
	TLS            TLS           // "": off
	Authorities    []byte        // who may sign the server's certificate, PEM, for TLSVerify; nil: the system's
	Seed           uint64        // of who does what
}

// TLS is how connections are encrypted.
type TLS string

// The ways. The server's certificate is looked at by TLSVerify alone.
const (
	TLSOff     TLS = "off"
	TLSPrefer  TLS = "prefer"  // if the server has it
	TLSRequire TLS = "require" // or no connection
	TLSVerify  TLS = "verify"  // and the certificate is signed, and for the host of the address
)

// ParseTLS reads a way. The error lists them.
func ParseTLS(text string) (TLS, error) {
	switch way := TLS(text); way {
	case TLSOff, TLSPrefer, TLSRequire, TLSVerify:
		return way, nil
	}
	return "", fmt.Errorf("%q is not off, prefer, require or verify", text)
}

// encrypt has connections of cfg be encrypted as o wants. It returns an error if
// o.Authorities has no certificate.
func (o Options) encrypt(cfg *mysql.Config) error {
	switch o.TLS {
	case "", TLSOff:
	case TLSPrefer:
		cfg.TLSConfig = "preferred"
	case TLSRequire:
		cfg.TLSConfig = "skip-verify"
	case TLSVerify:
		host, _, err := net.SplitHostPort(o.Addr)
		if err != nil {
			host = o.Addr
		}
		cfg.TLS = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
		if o.Authorities == nil {
			return nil
		}
		cfg.TLS.RootCAs = x509.NewCertPool()
		if !cfg.TLS.RootCAs.AppendCertsFromPEM(o.Authorities) {
			return errors.New("the file of authorities has no certificate in it (PEM)")
		}
	}
	return nil
}

func (o Options) withDefaults() Options {
	fill := func(v *int, by int) {
		if *v == 0 {
			*v = by
		}
	}
	fill(&o.Clients, 200)
	fill(&o.Waiting, 20_000)
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.Good == 0 {
		o.Good = time.Second
	}
	if o.Network == "" {
		o.Network = "tcp"
	}
	return o
}

// Open returns connections to the address of o.
func Open(o Options) (*sql.DB, error) {
	o = o.withDefaults()
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd = o.Network, o.Addr, o.User, o.Password
	cfg.Timeout, cfg.InterpolateParams, cfg.Logger = 10*time.Second, true, &mysql.NopLogger{}
	if err := o.encrypt(cfg); err != nil {
		return nil, fmt.Errorf("address %s: %w", o.Addr, err)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("address %s: %w", o.Addr, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(o.Clients)
	db.SetMaxIdleConns(o.Clients)
	if o.Reconnect {
		db.SetMaxIdleConns(-1)
	}
	return db, nil
}

// crowd is a run under way.
type crowd struct {
	o       Options
	db      *sql.DB
	began   time.Time
	actions []action
	counts  *counts
}

// Run puts the load of o.Shape on the site, which was prepared, until the shape ends, or
// ctx. told is called each second with what became of it; nil: nobody is told.
func Run(ctx context.Context, o Options, told func(Second)) (Result, error) {
	o = o.withDefaults()
	db, err := Open(o)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = db.Close() }()
	c := &crowd{o: o, db: db, began: time.Now(), actions: actions(), counts: newCounts(o.Shape.Lasts(), o.Good)}
	room := make(chan struct{}, o.Waiting) // who is under way
	var all sync.WaitGroup
	r := rand.New(rand.NewPCG(o.Seed, 2026))
	next, shown := time.Duration(0), 0
	for ctx.Err() == nil {
		rate := o.Shape.Rate(next)
		if next >= o.Shape.Lasts() {
			break
		}
		if rate <= 0 {
			next += 10 * time.Millisecond
			continue
		}
		next += time.Duration(r.ExpFloat64() / rate * float64(time.Second))
		if wait := next - time.Since(c.began); wait > time.Millisecond {
			time.Sleep(wait)
		}
		if second := int(time.Since(c.began).Seconds()); told != nil && second > shown {
			told(c.counts.second(shown))
			shown = second
		}
		wanted, seed := c.began.Add(next), r.Uint64()
		c.counts.offered(next)
		select {
		case room <- struct{}{}:
			all.Go(func() {
				c.serve(ctx, wanted, rand.New(rand.NewPCG(seed, 1)))
				<-room
			})
		default:
			c.counts.ended(next, outcome{lost: true})
		}
	}
	all.Wait()
	return c.counts.result(o), ctx.Err()
}

// serve is one client: it tries until it is served, has no retry left, or no patience.
func (c *crowd) serve(ctx context.Context, wanted time.Time, r *rand.Rand) {
	ctx, cancel := context.WithDeadline(ctx, wanted.Add(c.o.Patience))
	defer cancel()
	a := c.pick(r)
	out := outcome{action: a.name}
	for try := 0; ; try++ {
		out.attempts++
		var waited time.Duration
		waited, out.err = c.attempt(ctx, a, r)
		out.waited += waited
		if out.err == nil || ctx.Err() != nil || try >= c.o.Retries {
			break
		}
		c.counts.failed(out.err)
		if !c.o.Angry {
			pause := time.NewTimer(time.Duration(float64(50*time.Millisecond) * float64(int(1)<<min(try, 6)) * (0.5 + r.Float64())))
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
			}
		}
	}
	out.took = time.Since(wanted)
	out.gaveUp = out.err != nil && ctx.Err() != nil
	if out.err != nil && !out.gaveUp {
		c.counts.failed(out.err)
	}
	c.counts.ended(wanted.Sub(c.began), out)
}

// attempt does the action once, and says how long it waited for a connection.
func (c *crowd) attempt(ctx context.Context, a action, r *rand.Rand) (waited time.Duration, err error) {
	began := time.Now()
	conn, err := c.db.Conn(ctx)
	waited = time.Since(began)
	if err != nil {
		return waited, err
	}
	err = a.do(ctx, conn, r)
	if err != nil && (c.o.Angry || ctx.Err() != nil) {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // it is closed then
	}
	_ = conn.Close()
	return waited, err
}

func (c *crowd) pick(r *rand.Rand) action {
	sum := 0
	for _, a := range c.actions {
		sum += a.weight
	}
	at := r.IntN(sum)
	for _, a := range c.actions {
		if at -= a.weight; at < 0 {
			return a
		}
	}
	return c.actions[0]
}
