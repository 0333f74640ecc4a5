package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config says where the API listens. The zero value listens nowhere.
type Config struct {
	Listen  string        // host:port; in clear text on loopback only, and read-only; empty: none
	Socket  string        // path of the unix socket, mode 0600; empty: none
	Propose time.Duration // deadline of one change; default 10 s
	Logger  *slog.Logger  // default: discards
	// TLS has Listen speak TLS, anywhere: callers show a certificate or a token. Peer
	// returns the name and the role of a certificate that the handshake let in.
	TLS  *tls.Config
	Peer func(tls.ConnectionState) (name, role string)
	// Cluster is the other nodes; nil: there can be none.
	Cluster Cluster
	// Checks reads what checks look at; nil: there are no checks.
	Checks Checker
	// Verifier compares the members; nil: this node does not.
	Verifier Verifier
}

func (c Config) withDefaults() Config {
	if c.Propose == 0 {
		c.Propose = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// maxConns bounds the open connections of each listener: whoever fills up TCP
// does not keep the local admin out.
const maxConns = 256

// shutdownGrace is how long answers that are under way may take when Run ends.
const shutdownGrace = 2 * time.Second

// Server serves the API of one node. Make it with New, then Listen, then Run or
// Close.
type Server struct {
	cfg       Config
	node      Node
	routes    http.Handler
	listeners []listening
	refused   atomic.Uint64
	checks    checkCounts
	past      history
	keys      keyspace
	asking    chan struct{} // holds a token while a request asks the members
	checking  chan struct{} // holds a token while a request reads the members for checks
	answers   answers
}

type listening struct {
	net.Listener
	handler http.Handler
}

// New returns a server that does not listen yet.
func New(cfg Config, node Node) *Server {
	s := &Server{cfg: cfg.withDefaults(), node: node, asking: make(chan struct{}, 1), checking: make(chan struct{}, 1)}
	s.answers.ctx, s.answers.cut = context.WithCancel(context.Background())
	s.routes = s.mux()
	return s
}

// Listen opens what the configuration names: all of it, or nothing and an error.
func (s *Server) Listen() error {
	ctx := context.Background()
	if s.cfg.Listen != "" {
		l, err := listenTCP(ctx, s.cfg.Listen, s.cfg.TLS != nil)
		if err != nil {
			return fmt.Errorf("api: %w", err)
		}
		guard := guardTCP
		if s.cfg.TLS != nil {
			guard = s.guardTLS
		}
		s.add(l, guard(s.forwarding(s.routes)), s.cfg.TLS)
	}
	if s.cfg.Socket != "" {
		l, err := listenUnix(ctx, s.cfg.Socket)
		if err != nil {
			return errors.Join(fmt.Errorf("api: %w", err), s.Close())
		}
		s.add(l, guardAny(s.forwarding(s.routes)), nil)
	}
	return nil
}

func (s *Server) add(l net.Listener, h http.Handler, secure *tls.Config) {
	l = bounded{Listener: l, limit: maxConns, open: new(atomic.Int64), refused: &s.refused}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	s.listeners = append(s.listeners, listening{Listener: l, handler: h})
}

// Addr returns the TCP address that it listens on, host:port; empty for none.
func (s *Server) Addr() string {
	for _, l := range s.listeners {
		if l.Addr().Network() == "tcp" {
			return l.Addr().String()
		}
	}
	return ""
}

// Close ends listening without having served. After Run it does nothing.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.listeners = nil
	return errors.Join(errs...)
}

// Run serves until ctx ends; then it stops listening, gives the answers that are
// under way two seconds, those to other nodes too, and returns nil when the last one has
// ended: what they ask is taken away after that. It returns an error if a listener
// fails. It is called at most once.
func (s *Server) Run(ctx context.Context) error {
	defer s.answers.end(shutdownGrace)
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		server := s.httpServer(l.handler)
		group.Go(func() error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("api on %s: %w", l.Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
			defer cancel()
			if server.Shutdown(grace) == nil {
				return nil
			}
			s.answers.cut()
			return server.Close() // somebody is slow: the connection is cut
		})
	}
	group.Go(func() error { s.sampling(ctx); return nil })
	group.Go(func() error { s.sampleKeys(ctx); return nil })
	if len(s.listeners) == 0 {
		<-ctx.Done()
	}
	return group.Wait()
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           s.answers.counted(h),
		BaseContext:       func(net.Listener) context.Context { return s.answers.ctx },
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
}

// look looks at the node now.
func (s *Server) look() look {
	l := lookAt(s.node, time.Now())
	l.apiSocket = s.cfg.Socket
	return l
}
