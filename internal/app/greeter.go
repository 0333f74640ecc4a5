package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/store"
	"github.com/sqlring/sqlring/pkg/topology"
)

// kindHello asks a node whether it is there, and where: nothing → topology.Hearing.
const kindHello = "hello"

const (
	helloEvery   = time.Second / 2
	helloTimeout = time.Second / 2
	hearsFor     = 3 * time.Second / 2 // after an answer a node counts as heard
)

// greeter asks each other node again and again whether it is there: that a witness hears
// two sites which do not hear each other is what tells a cut from a death. Its methods
// are safe for concurrent use.
type greeter struct {
	app *App

	mu    sync.Mutex // guards what follows
	heard map[topology.NodeID]greeted
	asked map[topology.NodeID]bool // an answer is waited for
}

// greeted is a node's last answer.
type greeted struct {
	site string
	at   time.Time
}

func newGreeter(a *App) *greeter {
	return &greeter{app: a, heard: map[topology.NodeID]greeted{}, asked: map[topology.NodeID]bool{}}
}

// run greets until ctx ends, and returns nil once all answers are there or given up.
func (g *greeter) run(ctx context.Context) error {
	var under sync.WaitGroup
	defer under.Wait()
	for ticker := time.NewTicker(helloEvery); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return nil
		case <-ticker.C:
		}
		for _, p := range g.app.store.Peers() {
			if p.ID != g.app.cfg.Node && g.begin(p.ID) {
				under.Go(func() { g.greet(ctx, p.ID, p.Addr) })
			}
		}
	}
}

// begin reports whether a node is to be asked now: one question is under way at most.
func (g *greeter) begin(node topology.NodeID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asked[node] {
		return false
	}
	g.asked[node] = true
	return true
}

func (g *greeter) greet(ctx context.Context, node topology.NodeID, addr string) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	body, err := g.app.store.Call(ctx, addr, kindHello, []byte("{}"))
	var said topology.Hearing
	if err == nil {
		err = json.Unmarshal(body, &said)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.asked, node)
	var remote *store.RemoteError
	if err == nil || errors.As(err, &remote) { // an earlier release says that it does not know what hello is
		g.heard[node] = greeted{said.Site, time.Now()}
	}
}

// hears returns the nodes that have answered lately, sorted.
func (g *greeter) hears(now time.Time) []topology.Hearing {
	g.mu.Lock()
	defer g.mu.Unlock()
	var nodes []topology.Hearing
	for node, last := range g.heard {
		if now.Sub(last.at) <= hearsFor {
			nodes = append(nodes, topology.Hearing{Node: node, Site: last.site})
		}
	}
	slices.SortFunc(nodes, func(a, b topology.Hearing) int { return cmp.Compare(a.Node, b.Node) })
	return nodes
}
