package herald

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Log is the replicated state, and the way into it.
type Log interface {
	Snapshot() *topology.Snapshot
	Propose(ctx context.Context, c topology.Command) error
	// Leader returns who leads; empty: nobody, as far as this node knows.
	Leader() (id topology.NodeID, addr string)
}

// Eyes are what there is to see.
type Eyes interface {
	Observations() topology.Observations
	// Step returns what the controller of this node decided last; ok is false if it has
	// decided nothing in this leadership.
	Step() (step topology.Step, ok bool)
	// Others lists the other nodes of raft's configuration.
	Others() []Other
	// Findings returns what other parts have found, and the topics of which that is all
	// there is.
	Findings() (found []topology.Finding, complete []topology.Topic)
}

// Other is another node, as the leader hears of it.
type Other struct {
	Node  topology.NodeID
	Voter bool
	Heard time.Time // zero: not in this leadership
	Law   int       // that it knows; see topology.Law
}

// Config says who looks, and how often. Zero values stand for the defaults.
type Config struct {
	Node   topology.NodeID
	Every  time.Duration // default 100 ms
	Settle time.Duration // of a leadership, before what is not seen counts; default 3 s
	Silent time.Duration // after how long a node is lost; default 3 s
	// Headless is after how long without a leader that is said; default 5 s. Alarm is
	// told then, and when there is one again; nil: nobody is.
	Headless time.Duration
	Alarm    func(Alarm)
	Logger   *slog.Logger // default: discards
}

// Alarm is what a node tells that raft can not take down: nobody leads.
type Alarm struct {
	Since time.Time // when it knew of a leader last
	Over  bool
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&c.Every, 100*time.Millisecond)
	set(&c.Settle, 3*time.Second)
	set(&c.Silent, 3*time.Second)
	set(&c.Headless, 5*time.Second)
	if c.Alarm == nil {
		c.Alarm = func(Alarm) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

const proposeTimeout = 5 * time.Second

// Herald says what is news. Make it with New. Begin is safe for concurrent use; all else
// is of the goroutine of Run.
type Herald struct {
	cfg  Config
	log  Log
	eyes Eyes
	rule atomic.Pointer[reign]

	led      time.Time // when there was a leader last, as this node knows
	headless bool      // said that there is none
	gap      time.Duration
}

// reign is one leadership of this node.
type reign struct {
	scope context.Context
	term  uint64
	began time.Time

	watched topology.Watched // what differs from what stands, and since when
	told    bool             // that it leads
	said    string           // the last error, so that it is logged once
}

// New returns a herald that has seen nothing.
func New(cfg Config, log Log, eyes Eyes) *Herald {
	return &Herald{cfg: cfg.withDefaults(), log: log, eyes: eyes}
}

// Begin tells that this node leads in term until scope ends. It returns at once.
func (h *Herald) Begin(scope context.Context, term uint64) {
	h.rule.Store(&reign{scope: scope, term: term, began: time.Now()})
}

// Run looks until ctx ends, and returns nil.
func (h *Herald) Run(ctx context.Context) error {
	ticker := time.NewTicker(h.cfg.Every)
	defer ticker.Stop()
	h.led = time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := time.Now()
		h.watchLeader(now)
		if r := h.rule.Load(); r != nil && r.scope.Err() == nil {
			h.tell(ctx, r, now)
		}
	}
}

// watchLeader notes for how long nobody led.
func (h *Herald) watchLeader(now time.Time) {
	leader, _ := h.log.Leader()
	absent := now.Sub(h.led)
	switch {
	case leader == "" && !h.headless && absent >= h.cfg.Headless && h.log.Snapshot().Ring != nil:
		h.headless = true
		h.cfg.Alarm(Alarm{Since: h.led})
	case leader == "":
	case absent > 2*h.cfg.Every:
		h.gap = absent
		if h.headless {
			h.headless = false
			h.cfg.Alarm(Alarm{Since: h.led, Over: true})
		}
		h.led = now
	default:
		h.led = now
	}
}

// tell proposes what is news.
func (h *Herald) tell(ctx context.Context, r *reign, now time.Time) {
	snap := h.log.Snapshot()
	if snap.Ring == nil {
		return
	}
	if snap.Outbox == nil {
		if h.everyNodeKnows(topology.LawOfOutbox) {
			h.propose(ctx, r, topology.OpenOutbox{}, "every node knows how to keep it")
		}
		return
	}
	if snap.Outbox.Law < topology.Law && h.everyNodeKnows(topology.Law) {
		h.propose(ctx, r, topology.RaiseLaw{To: topology.Law}, "every node knows it")
		return
	}
	if !r.told && r.term > snap.Outbox.Term {
		r.told = h.propose(ctx, r, topology.NoteLeader{Node: h.cfg.Node, Term: r.term, Evidence: h.evidence(snap)}, h.why(snap))
	}
	found, complete := h.look(r, snap, now)
	news, watched := topology.News(snap.Outbox, found, complete, r.watched, now)
	if r.watched = watched; len(news) > 0 {
		h.propose(ctx, r, topology.NoteFindings{Findings: news}, "seen by the node that leads")
	}
}

func (h *Herald) why(snap *topology.Snapshot) string {
	before := snap.Outbox.Leader
	switch {
	case before == "":
		return "the first leader that says so"
	case before == h.cfg.Node:
		return "it was elected again"
	}
	return fmt.Sprintf("%s, which led before, handed it on, or was not heard of", before)
}

func (h *Herald) evidence(snap *topology.Snapshot) []string {
	lines := []string{fmt.Sprintf("the state stands at %d", snap.Index)}
	if h.gap > 0 {
		lines = append(lines, fmt.Sprintf("%s knew of no leader for %s", h.cfg.Node, h.gap.Round(time.Millisecond)))
	}
	return lines
}

// everyNodeKnows reports whether each node has said that it knows a law.
func (h *Herald) everyNodeKnows(law int) bool {
	return !slices.ContainsFunc(h.eyes.Others(), func(o Other) bool { return o.Law < law })
}

// look returns all that is seen, and the topics of which that is everything.
func (h *Herald) look(r *reign, snap *topology.Snapshot, now time.Time) (found []topology.Finding, complete []topology.Topic) {
	found, complete = h.eyes.Findings()
	if snap.Outbox.Law < topology.LawOfGates { // a node may not know how to take it down
		found = slices.DeleteFunc(found, func(f topology.Finding) bool { return f.Topic == topology.TopicGate })
	}
	if f, full := topology.FullOutbox(snap.Outbox, now); full {
		found = append(found, f)
	}
	if step, ok := h.eyes.Step(); ok {
		if f, stuck := topology.StuckFinding(snap, step); stuck {
			found = append(found, f)
		}
		complete = append(complete, topology.TopicOperation)
	}
	if now.Sub(r.began) < h.cfg.Settle {
		return found, complete
	}
	complete = append(complete, topology.TopicRing, topology.TopicNode)
	found = append(found, topology.RingFindings(snap, h.eyes.Observations(), now)...)
	for _, o := range h.eyes.Others() {
		heard := o.Heard
		if heard.Before(r.began) {
			heard = r.began
		}
		if silent := now.Sub(heard); silent >= h.cfg.Silent {
			found = append(found, topology.NodeFinding(o.Node, silent, o.Voter))
		}
	}
	return found, complete
}

// propose has raft take a change down. What was told already is no error.
func (h *Herald) propose(ctx context.Context, r *reign, change topology.Change, why string) bool {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	stop := context.AfterFunc(r.scope, cancel)
	defer stop()
	err := h.log.Propose(ctx, topology.Command{
		At: time.Now(), By: topology.ByController + string(h.cfg.Node), Why: why, Change: change,
	})
	if err != nil {
		if text := err.Error(); text != r.said && r.scope.Err() == nil {
			r.said = text
			level := slog.LevelWarn
			if errors.Is(err, topology.ErrStale) { // it was told in between
				level = slog.LevelDebug
			}
			h.cfg.Logger.Log(ctx, level, "news were not taken down", "change", change.String(), "error", err)
		}
		return false
	}
	r.said = ""
	return true
}
