package proxy

import (
	"context"
	"database/sql"
	"encoding/hex"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// world is what a proxy asks: a view and accounts that a test sets.
type world struct {
	mu        sync.Mutex
	view      *balancer.View
	changed   chan struct{}
	accounts  []topology.Account
	refreshes int
	onRefresh func() []topology.Account
}

func newWorld() *world { return &world{changed: make(chan struct{})} }

func (w *world) View() *balancer.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.view
}

func (w *world) ViewChanged() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *world) Accounts() []topology.Account {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accounts
}

func (w *world) Refresh() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refreshes++
	done := make(chan struct{})
	if w.onRefresh != nil {
		w.accounts = w.onRefresh()
		close(done)
	}
	return done
}

func (w *world) setView(v *balancer.View) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.view = v
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) setAccounts(accounts ...topology.Account) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accounts = accounts
}

// owned is a view in which owner has everything.
func owned(owner topology.MemberID, epoch uint64, members ...balancer.Member) *balancer.View {
	return &balancer.View{
		Ring: "test", Members: members,
		Units: []balancer.Unit{{ID: topology.UnitRest, Owner: owner, Epoch: epoch}},
	}
}

// native is an account as a member keeps it.
func native(user, host, password string) topology.Account {
	hash := ""
	if password != "" {
		stored := wire.NewDigest(password).Stored()
		hash = "*" + strings.ToUpper(hex.EncodeToString(stored[:]))
	}
	return topology.Account{User: user, Host: host, Plugin: wire.PluginNative, Hash: hash}
}

// serve runs a proxy over w for the time of the test.
func serve(t testing.TB, w *world, cfg Config) *Proxy {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if testing.Verbose() && cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	p, err := New(cfg, w, w)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("proxy: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the proxy did not end")
		}
		left := goroutines("internal/proxy.(*Proxy)") + goroutines("internal/proxy.(*session)")
		for deadline := time.Now().Add(2 * time.Second); left != "" && time.Now().Before(deadline); { // what a test calls is on its way out
			time.Sleep(10 * time.Millisecond)
			left = goroutines("internal/proxy.(*Proxy)") + goroutines("internal/proxy.(*session)")
		}
		if left != "" {
			t.Errorf("goroutines are left:\n%s", left)
		}
		if n := p.Stats().Sessions; n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
	return p
}

// goroutines returns the stacks of goroutines that run code named so. (goleak
// would find those of the servers and drivers of the test too.)
func goroutines(code string) string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var found []string
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(stack, code) {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}

// heapAndStacks returns the memory in use, after a collection.
func heapAndStacks() int64 {
	heap, stacks := inUse()
	return heap + stacks
}

func inUse() (heap, stacks int64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // stacks that were halved are free then
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse), int64(m.StackInuse)
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// real is a proxy in front of one real server, which has the account app.
type real struct {
	*Proxy
	world  *world
	server *mysqltest.Server
	member balancer.Member
	socket string
}

const appPassword = "app secret"

func startReal(t testing.TB, cfg Config, options ...string) *real {
	t.Helper()
	server := mysqltest.Start(t, options...)
	server.Exec(t, "SET GLOBAL read_only=0; CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO app@'%'")
	r := &real{world: newWorld(), server: server, member: memberAt("m1", server, 3)}
	r.world.setAccounts(native("app", "%", appPassword))
	r.world.setView(owned("m1", 1, r.member))
	dir, err := os.MkdirTemp("", "proxy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg.Socket = filepath.Join(dir, "s")
	r.socket = cfg.Socket
	r.Proxy = serve(t, r.world, cfg)
	return r
}

func memberAt(id topology.MemberID, server *mysqltest.Server, slot int) balancer.Member {
	return balancer.Member{
		ID: id, Network: "tcp", Addr: server.Addr, Version: "5.5.5-10.11.19-MariaDB",
		Layout: autoinc.Layout{Offset: slot, Stride: 16},
	}
}

// db returns a pool of connections through the proxy.
func (r *real) db(t testing.TB, change ...func(*mysql.Config)) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = "app", appPassword, "tcp", r.Addr(), "shop"
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = 20*time.Second, 60*time.Second, 60*time.Second
	cfg.Logger = &mysql.NopLogger{}
	for _, f := range change {
		f(cfg)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func run(t testing.TB, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, statement string, args ...any,
) sql.Result {
	t.Helper()
	res, err := db.ExecContext(t.Context(), statement, args...)
	if err != nil {
		t.Fatalf("%.100s: %v", statement, err)
	}
	return res
}

func query[T any](t testing.TB, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, statement string, args ...any,
) T {
	t.Helper()
	var v T
	if err := db.QueryRowContext(t.Context(), statement, args...).Scan(&v); err != nil {
		t.Fatalf("%.100s: %v", statement, err)
	}
	return v
}

// raw is a client that speaks the protocol by hand.
type raw struct {
	t    testing.TB
	conn net.Conn
	own  *wire.Conn
	caps wire.Capability
	seen sights
}

const rawCaps = wire.Offered &^ (wire.ConnectWithDB | wire.NoSchema | wire.SessionTrack | wire.ConnectAttrs)

func dialRaw(t testing.TB, addr string) *raw {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &raw{t: t, conn: conn, own: wire.NewConn(conn, 1<<24)}
}

// login logs in with exactly these capabilities, which the package's own client
// would not.
func (c *raw) login(user, password string, caps wire.Capability) error {
	payload, err := c.own.Read()
	if err != nil {
		return err
	}
	return c.answer(payload, user, password, caps)
}

// loginAfter logs in after the greeting has been read.
func (c *raw) loginAfter(t testing.TB, greeting []byte, user, password string) {
	t.Helper()
	if err := c.answer(greeting, user, password, rawCaps); err != nil {
		t.Fatal(err)
	}
}

func (c *raw) answer(payload []byte, user, password string, caps wire.Capability) error {
	c.caps = caps
	greeting, err := wire.ParseGreeting(payload)
	if err != nil {
		return err
	}
	login := wire.Login{
		Capabilities: caps, User: user, Charset: 45, Plugin: wire.PluginNative,
		Token: wire.NewDigest(password).Token(greeting.Salt),
	}
	if err := c.own.Write(login.Append(nil)); err != nil {
		return err
	}
	return c.own.Finish(login.Plugin, greeting.Salt, wire.Credentials{Secret: wire.SecretOfPassword(password)})
}

// greetingThread returns the connection id of a greeting.
func greetingThread(t testing.TB, payload []byte) string {
	t.Helper()
	greeting, err := wire.ParseGreeting(payload)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatUint(uint64(greeting.ThreadID), 10)
}

// do sends a command and reads one packet back.
func (c *raw) do(code wire.Command, payload string) ([]byte, error) {
	c.t.Helper()
	if err := c.own.Send(append([]byte{byte(code)}, payload...)); err != nil {
		return nil, err
	}
	c.own.Restart(1, 1<<24)
	return c.own.Read()
}
