package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Log is the replicated state, as the controller needs it.
type Log interface {
	// Snapshot returns the newest state applied on this node.
	Snapshot() *topology.Snapshot
	// Propose commits a command, or returns why not. An unknown outcome is an
	// error too: the next tick sees what became of it.
	Propose(ctx context.Context, c topology.Command) error
}

// Fleet acts on members. Execute returns once the action is verified.
type Fleet interface {
	Execute(ctx context.Context, m topology.Member, a topology.Action) error
}

// Eyes is what was seen of the members.
type Eyes interface {
	Observations() topology.Observations
	// Changed returns a channel that is closed at the next observation.
	Changed() <-chan struct{}
	// Poke asks for a probe of the member at once.
	Poke(id topology.MemberID)
}

// Config holds the controller's few numbers. The zero value is completed by New.
type Config struct {
	Node   topology.NodeID
	Action time.Duration // deadline of one action; default 5 s
	Tail   time.Duration // deadline of reading a tail, which may be long; default 60 s
	Commit time.Duration // deadline of one command; default 5 s
	Idle   time.Duration // longest time between two ticks; default 250 ms
	Pause  time.Duration // after an error; default 500 ms
	Logger *slog.Logger  // default: discards
	// Clock is asked when an action has ended; default time.Now.
	Clock func() time.Time
	// Decided is called after each tick that did something, for tests that let the
	// process die between two steps; default: nothing.
	Decided func(Decision)
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.Action, 5*time.Second)
	set(&c.Tail, time.Minute)
	set(&c.Commit, 5*time.Second)
	set(&c.Idle, 250*time.Millisecond)
	set(&c.Pause, 500*time.Millisecond)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

// Decision is what the last tick decided, for people.
type Decision struct {
	Step  topology.Step
	At    time.Time
	Error string // of doing it; empty if it was done, or there was nothing to do
	// Interrupted says that doing it was given up for something more urgent.
	Interrupted bool
}

// Controller is one node's hands. Make it with New; Run may be called again
// after it has returned, never twice at a time.
type Controller struct {
	cfg   Config
	log   Log
	fleet Fleet
	eyes  Eyes

	began   time.Time                       // of this leadership
	seized  map[topology.MemberID]bool      // whose hands this leadership holds
	tried   map[topology.MemberID]time.Time // when it tried last to take them
	acted   map[topology.MemberID]time.Time // end of the last action on a member
	deed    atomic.Pointer[deed]            // the action that is under way
	last    atomic.Pointer[Decision]
	said    string         // the last step that was logged
	numbers *regexp.Regexp // inside a sentence; not those of names
}

// New returns a controller that does nothing until Run or Tick is called.
func New(cfg Config, log Log, fleet Fleet, eyes Eyes) *Controller {
	return &Controller{
		cfg: cfg.withDefaults(), log: log, fleet: fleet, eyes: eyes, acted: map[topology.MemberID]time.Time{},
		numbers: regexp.MustCompile(`\b[0-9.]+\b`),
		seized:  map[topology.MemberID]bool{}, tried: map[topology.MemberID]time.Time{},
	}
}

// Last returns what was decided last; the zero Decision before the first tick
// and while this node does not lead. It is safe for concurrent use.
func (c *Controller) Last() Decision {
	if d := c.last.Load(); d != nil {
		return *d
	}
	return Decision{}
}

// Run ticks until ctx ends, which is when this node no longer leads. It returns
// nil then. What was seen before it was called counts for nothing.
func (c *Controller) Run(ctx context.Context) error {
	c.Begin(c.cfg.Clock())
	defer c.last.Store(nil)
	stop := c.interrupting(ctx)
	defer stop()
	for ctx.Err() == nil {
		changed := c.eyes.Changed()
		decision := c.Tick(ctx, c.cfg.Clock())
		pause := c.cfg.Idle
		switch {
		case decision.Interrupted:
			pause = shortly
		case decision.Error != "":
			changed, pause = nil, c.cfg.Pause
		case decision.Step.Kind == topology.StepCommit:
			continue // the state has changed: look again
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// Begin starts a leadership at now: every earlier observation is too old.
func (c *Controller) Begin(now time.Time) {
	c.began, c.said = now, ""
	clear(c.acted)
	clear(c.seized)
	clear(c.tried)
}

// Tick decides once and does it, and returns what it decided.
func (c *Controller) Tick(ctx context.Context, now time.Time) Decision {
	snap := c.log.Snapshot()
	step, ok := c.seize(snap, now)
	if !ok {
		step = topology.Next(snap, c.trusted(), now)
	}
	d := Decision{Step: step, At: now}
	if err := c.perform(ctx, snap, step, now); err != nil {
		d.Error, d.Interrupted = err.Error(), errors.Is(err, errInterrupted)
	}
	c.say(d)
	c.last.Store(&d)
	if c.cfg.Decided != nil && (step.Kind == topology.StepDo || step.Kind == topology.StepCommit) {
		c.cfg.Decided(d)
	}
	return d
}

func (c *Controller) perform(ctx context.Context, snap *topology.Snapshot, step topology.Step, now time.Time) error {
	switch step.Kind {
	case topology.StepDo:
		m, ok := snap.Member(step.Member)
		if !ok {
			return fmt.Errorf("%s: %s is not a member", step.Action, step.Member)
		}
		limit := c.cfg.Action
		if step.Action.Kind == topology.ActReadTail || step.Action.Kind == topology.ActReplay {
			limit = c.cfg.Tail
		}
		actx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		err := c.interruptible(actx, step.Member, step.Action.Kind, func(ctx context.Context) error { return c.fleet.Execute(ctx, m, step.Action) })
		// Whether it worked or not: what was seen before now says nothing any more.
		c.acted[step.Member], c.tried[step.Member] = c.cfg.Clock(), c.cfg.Clock()
		c.seized[step.Member] = (c.seized[step.Member] || err == nil) && !errors.Is(err, errInterrupted) // its statement may still be under way
		c.eyes.Poke(step.Member)
		return err
	case topology.StepCommit:
		cctx, cancel := context.WithTimeout(ctx, c.cfg.Commit)
		defer cancel()
		command := topology.Command{At: now, By: topology.ByController + string(c.cfg.Node), Why: step.Why, Change: step.Change}
		if snap.Outbox != nil {
			command.Evidence = topology.Seen(snap, c.trusted(), now)
		}
		return c.log.Propose(cctx, command)
	case topology.StepWait:
		for _, id := range step.Probe {
			c.eyes.Poke(id)
		}
	case topology.StepIdle, topology.StepStuck:
	}
	return nil
}

// seizeAgain is how long a member whose hands could not be taken is left alone: the
// others are decided about meanwhile, it being unknown.
const seizeAgain = 2 * time.Second

// seize returns the step that takes the hands of a member that answers and whose
// hands this leadership does not hold yet; ok is false if there is none. Until
// then a statement of an earlier leader may still be on its way to it, and what
// is seen there proves nothing (S9).
func (c *Controller) seize(snap *topology.Snapshot, now time.Time) (topology.Step, bool) {
	for _, o := range c.eyes.Observations().Members {
		_, member := snap.Member(o.Member)
		waits := now.Sub(c.tried[o.Member]) < seizeAgain
		if !member || c.seized[o.Member] || waits || o.Reach != topology.ReachAnswers || !o.Asked.After(c.began) {
			continue
		}
		return topology.Step{
			Kind: topology.StepDo, Member: o.Member, Action: topology.Action{Kind: topology.ActSeize},
			Why: "a new leadership acts only where no other can",
		}, true
	}
	return topology.Step{}, false
}

// trusted returns the observations without those that were asked before this
// leadership held the member's hands, or before the last action on it: they are
// unknown. That a member does not answer needs no hands.
func (c *Controller) trusted() topology.Observations {
	seen := c.eyes.Observations()
	seen.Led = c.began
	for _, o := range seen.Members {
		held := c.seized[o.Member] || o.Reach != topology.ReachAnswers
		if held && o.Asked.After(c.began) && o.Asked.After(c.acted[o.Member]) {
			continue
		}
		since := c.began
		if acted := c.acted[o.Member]; acted.After(since) {
			since = acted
		}
		seen = seen.With(topology.Observation{
			Member: o.Member, At: o.At, Reach: topology.ReachUnknown, Since: since,
			Error: "not probed since the last action",
		})
	}
	return seen
}

// say logs a decision once: when it differs from the one before.
func (c *Controller) say(d Decision) {
	text := c.numbers.ReplaceAllString(d.Step.String()+d.Error, "#") // counts that go down are the same sentence
	if text == c.said {
		return
	}
	c.said = text
	level := slog.LevelInfo
	if d.Error != "" || d.Step.Kind == topology.StepStuck {
		level = slog.LevelError
	} else if d.Step.Kind == topology.StepWait || d.Step.Kind == topology.StepIdle {
		level = slog.LevelDebug
	}
	c.cfg.Logger.Log(context.Background(), level, "controller step",
		"kind", d.Step.Kind.String(), "member", string(d.Step.Member), "step", d.Step.String(), "error", d.Error)
}
