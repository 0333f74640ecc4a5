package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// asked is what one asker of /check was told, and how long that took.
type asked struct {
	took []time.Duration
	told map[int]int // by status; 0: no answer
	err  error       // the last
}

func (a *asked) add(b asked) {
	a.took = append(a.took, b.took...)
	for status, n := range b.told {
		a.told[status] += n
	}
	a.err = errors.Join(a.err, b.err)
}

// askChecks asks as gh-ost does (HEAD) and as freno's clients do (GET) in turn, over one
// connection that stays.
func askChecks(ctx context.Context, addr string, times int) asked {
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	a := asked{told: map[int]int{}}
	for i := range times {
		began := time.Now()
		status, err := askCheck(ctx, client, [2]string{http.MethodHead, http.MethodGet}[i%2], "http://"+addr+"/freno/check/gh-ost/mysql/test")
		a.took = append(a.took, time.Since(began))
		if a.told[status]++; err != nil {
			a.err = err
		}
	}
	return a
}

func askCheck(ctx context.Context, client *http.Client, method, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// Every one of three nodes answers /check over TCP by itself, whether it leads or not, while
// clients write and read through all of them; and from memory: as fast when no member
// answers. SQLRING_CHECKS asks so many of each node, and holds them to 5 ms.
func TestChecksAreAnsweredByEveryNode(t *testing.T) {
	times, limit := 200, time.Second // beside other tests that is all that can be asked for
	if text := os.Getenv("SQLRING_CHECKS"); text != "" {
		var err error
		if times, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
		limit = 5 * time.Millisecond
	}
	n := startNodesWith(t, func(c *app.Config) { c.API.Listen = mysqltest.FreeAddr(t) }, "voter", "voter", "voter")
	n.load(t)
	began := time.Now()
	var loads []*steady
	for _, r := range n.nodes {
		loads = append(loads, r.startSteady(t, 1))
	}
	lead := n.leader(t)
	for i, r := range n.nodes {
		r.untilChecked(t, http.StatusOK)
		told := r.timeChecks(t, times, limit, map[bool]string{true: "leads", false: "follows"}[i == lead])
		if told[http.StatusOK] < times*9/10 {
			t.Errorf("%s: told %v", r.cfg.Node, told)
		}
	}
	writes, reads := 0, 0
	for _, s := range loads {
		s.end()
		writes, reads = writes+len(s.ends), reads+s.read
		for _, err := range s.errors() {
			t.Error(err)
		}
	}
	took := time.Since(began).Seconds()
	t.Logf("FIGURE checks   beside %.0f writes/s and %.0f reads/s through the three nodes", float64(writes)/took, float64(reads)/took)
	if writes == 0 || reads == 0 {
		t.Errorf("%d writes and %d reads: there was no load", writes, reads)
	}
	for _, s := range n.servers {
		s.Freeze()
		defer s.Thaw()
	}
	for _, r := range n.nodes {
		r.untilChecked(t, http.StatusInternalServerError)
		if told := r.timeChecks(t, 200, limit, "no member answers"); told[http.StatusInternalServerError] != 200 {
			t.Errorf("%s: told %v while no member answers", r.cfg.Node, told)
		}
	}
}

// untilChecked waits until a check is answered so.
func (r *rig) untilChecked(t *testing.T, want int) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("%s answers %d", r.cfg.Node, want), func() error {
		a := askChecks(t.Context(), r.cfg.API.Listen, 1)
		if a.told[want] != 1 {
			return errors.Join(fmt.Errorf("told %v", a.told), a.err)
		}
		return nil
	})
}

// timeChecks has two clients ask the node, and returns what they were told.
func (r *rig) timeChecks(t *testing.T, times int, limit time.Duration, while string) map[int]int {
	t.Helper()
	all := asked{told: map[int]int{}}
	var mu sync.Mutex
	var asking sync.WaitGroup
	const clients = 2
	for range clients {
		asking.Go(func() {
			a := askChecks(t.Context(), r.cfg.API.Listen, times/clients)
			mu.Lock()
			defer mu.Unlock()
			all.add(a)
		})
	}
	asking.Wait()
	slices.Sort(all.took)
	p50, p99, worst := all.took[len(all.took)/2], all.took[len(all.took)*99/100], all.took[len(all.took)-1]
	t.Logf("FIGURE checks   %d of %s (%s): p50 %.2f ms, p99 %.2f ms, worst %.1f ms; told %v",
		len(all.took), r.cfg.Node, while, millis(p50), millis(p99), millis(worst), all.told)
	if p99 >= limit {
		t.Errorf("%s (%s): p99 is %s, it has to be below %s", r.cfg.Node, while, p99, limit)
	}
	if all.err != nil {
		t.Errorf("%s (%s): %v", r.cfg.Node, while, all.err)
	}
	return all.told
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
