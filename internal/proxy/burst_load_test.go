package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// The clients of `make burst` are in processes of their own: what their runtime makes them
// wait is not the proxy's, and the kernel shares the cores out among processes.

// clientsEnv names the load of a process of clients, as JSON.
const clientsEnv = "SQLRING_BURST_CLIENTS"

// figure is what came of one run at one peer.
type figure struct {
	Rate   float64 // transactions per second
	P50    time.Duration
	P99    time.Duration
	Errors int // transactions that failed
	Served int

	Refused map[string]int // attempts to connect, or to log in, by what was told

	Transactions float64
	CPU          time.Duration // of the clients' process
}

// wrong says what went wrong, in a figure's line.
func (f figure) wrong() string {
	refused, each := 0, []string{}
	for _, why := range slices.Sorted(maps.Keys(f.Refused)) {
		refused += f.Refused[why]
		each = append(each, fmt.Sprintf("%s %d", why, f.Refused[why]))
	}
	if refused == 0 {
		return fmt.Sprintf("%d errors, 0 refused", f.Errors)
	}
	return fmt.Sprintf("%d errors, %d refused (%s)", f.Errors, refused, strings.Join(each, ", "))
}

// load is clients without think time, each on a connection that it keeps.
type load struct {
	Addr, User string
	Clients    int
	Lasts      time.Duration
	After      time.Duration            // what is answered sooner than this counts for nothing
	Does       string                   // a key of transactions, or a statement for which %d is any row
	each       func(took time.Duration) // is told of each; may be nil
}

// transactions are what clients do, again and again; %d is any row.
var transactions = map[string][]string{
	"a hot row":                  {"BEGIN", "SELECT k FROM shop.t WHERE id=%d", "UPDATE shop.t SET k=k+1 WHERE id=%d", "UPDATE shop.hot SET c=c+1 WHERE id=1", "COMMIT"},
	"no hot row":                 {"BEGIN", "SELECT k FROM shop.t WHERE id=%d", "UPDATE shop.t SET k=k+1 WHERE id=%d", "COMMIT"},
	"one counter":                {"UPDATE shop.hot SET c=c+1 WHERE id=1"},
	"one counter, room for all":  {"UPDATE shop.hot SET c=c+1 WHERE id=1"},
	"one counter, nobody beside": {"UPDATE shop.hot SET c=c+1 WHERE id=1"},
	"elsewhere":                  {"SELECT k FROM other.t WHERE id=1", "DO SLEEP(0)"},
}

// texts returns the statements of one transaction.
func (l load) texts() []string {
	does, known := transactions[l.Does]
	if !known {
		does = []string{l.Does}
	}
	id, texts := 1+rand.IntN(10000), slices.Clone(does)
	for i, text := range texts {
		if strings.Contains(text, "%d") {
			texts[i] = fmt.Sprintf(text, id)
		}
	}
	return texts
}

// run has the clients work for a while. Latency counts from the first attempt; who is never
// served counts with all his waiting. One that can not connect, or is told that there are too many
// connections, is counted as refused and comes back.
func (l load) run(t *testing.T) figure {
	t.Helper()
	var mu sync.Mutex
	f := figure{Refused: map[string]int{}}
	var latency []time.Duration
	var all sync.WaitGroup
	began := time.Now()
	until := began.Add(l.Lasts)
	for range l.Clients {
		all.Go(func() {
			var own []time.Duration
			failures, asked := 0, time.Now()
			var c *raw
			var err error
			for time.Now().Before(until) {
				if c == nil {
					if c, err = l.connect(t, until); err != nil {
						if time.Now().Before(until) { // else it is the end that it met
							mu.Lock()
							f.Refused[whyRefused(err)]++
							mu.Unlock()
						}
						time.Sleep(time.Duration(50+rand.IntN(100)) * time.Millisecond)
						continue
					}
				}
				failed := false
				for _, text := range l.texts() {
					if n, _ := c.query(text); n != 0 {
						failed = true
						break
					}
				}
				switch {
				case !time.Now().Before(until):
				case failed:
					failures++
					_ = c.conn.Close()
					c = nil
				case time.Since(began) < l.After:
					asked = time.Now()
				default:
					own = append(own, time.Since(asked))
					if l.each != nil {
						l.each(time.Since(asked))
					}
					asked = time.Now()
				}
			}
			if c != nil {
				_ = c.conn.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			f.Errors += failures
			if len(own) > 0 {
				f.Served++
			} else {
				own = append(own, time.Since(began))
			}
			latency = append(latency, own...)
		})
	}
	all.Wait()
	slices.Sort(latency)
	f.Transactions = float64(len(latency) - l.Clients + f.Served)
	f.Rate = f.Transactions / (l.Lasts - l.After).Seconds()
	f.P50, f.P99 = latency[len(latency)/2], latency[len(latency)*99/100]
	return f
}

// connect returns a client that is logged in; an error if nobody listens, or there is no room.
func (l load) connect(t *testing.T, until time.Time) (*raw, error) {
	conn, err := net.DialTimeout("tcp", l.Addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(until.Add(10 * time.Millisecond))
	c := &raw{t: t, conn: conn, own: wire.NewConn(conn, 1<<24)}
	if err := c.login(l.User, appPassword, rawCaps); err != nil {
		_ = conn.Close()
		return nil, err
	}
	// Who waits as this ends is served: a crowd that hangs up is one without patience.
	_ = conn.SetDeadline(until.Add(3 * time.Second))
	return c, nil
}

// whyRefused names an error of connect: by the number that was told, if one was.
func whyRefused(err error) string {
	var told *wire.Error
	if errors.As(err, &told) {
		return strconv.Itoa(int(told.Number))
	}
	return "no connection"
}

// Who is refused is counted, by what he is told, and is no error of a transaction.
func TestClientsOfFiguresCountWhoIsRefused(t *testing.T) {
	listens, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listens.Addr().String()
	go func() {
		for {
			conn, err := listens.Accept()
			if err != nil {
				return
			}
			_ = wire.NewConn(conn, 1<<16).Write((&wire.Error{Number: 1040, State: "08004", Message: "Too many connections"}).Append(nil))
			_ = conn.Close()
		}
	}()
	l := load{Addr: addr, User: "app", Clients: 3, Lasts: 400 * time.Millisecond, Does: "DO 1"}
	full := l.run(t)
	_ = listens.Close()
	nobody := l.run(t)
	if full.Refused["1040"] < 3 || full.Errors != 0 || !strings.Contains(full.wrong(), "0 errors, "+strconv.Itoa(full.Refused["1040"])+" refused (1040 ") {
		t.Errorf("at a full server: %s", full.wrong())
	}
	if nobody.Refused["no connection"] < 3 || nobody.Served != 0 {
		t.Errorf("where nobody listens: %s, %d served", nobody.wrong(), nobody.Served)
	}
}

// TestFigureClients is a process of clients.
func TestFigureClients(t *testing.T) {
	of := os.Getenv(clientsEnv)
	if of == "" {
		t.Skip("a process of make burst")
	}
	var l load
	if err := json.Unmarshal([]byte(of), &l); err != nil {
		t.Fatal(err)
	}
	result, err := json.Marshal(l.run(t))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nRESULT %s\n", result)
}

// start has the clients work in a process of their own, and returns what came of it once it
// has ended.
func (l load) start(t *testing.T) func() figure {
	t.Helper()
	of, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFigureClients$", "-test.v")
	cmd.Env = append(os.Environ(), clientsEnv+"="+string(of))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (f figure) {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		_, result, _ := strings.Cut(out.String(), "RESULT ")
		result, _, _ = strings.Cut(result, "\n")
		if err := json.Unmarshal([]byte(result), &f); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		f.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		return f
	}
}
