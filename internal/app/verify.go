package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/verify"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/rowcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// verifyApp is what a comparison calls itself where it asks whether it may go on.
const verifyApp = "sqlring-verify"

// startVerifier makes what compares the members; it runs when it is asked to.
func (a *App) startVerifier(context.Context) error {
	if a.cfg.witness() {
		return nil
	}
	v, err := verify.New(verify.Config{
		File: filepath.Join(a.cfg.Dir, "verify.json"), Logger: a.logger.With("part", "verify"),
	}, verifyWorld{a})
	if err != nil {
		return err
	}
	a.verifier = v
	a.onStop("verify", v.Stop)
	return nil
}

// verifyWorld shows a comparison the members.
type verifyWorld struct{ app *App }

var _ verify.World = verifyWorld{}

// Members implements verify.World.
func (w verifyWorld) Members() []string {
	var names []string
	for _, m := range w.app.store.Snapshot().Members {
		if m.State == topology.MemberActive {
			names = append(names, string(m.ID))
		}
	}
	return names
}

// Owner implements verify.World.
func (w verifyWorld) Owner(schema string) string {
	snap := w.app.store.Snapshot()
	if u, ok := snap.Unit(topology.UnitID(schema)); ok {
		return string(u.Owner)
	}
	u, _ := snap.Unit(topology.UnitRest)
	return string(u.Owner)
}

// Open implements verify.World.
func (w verifyWorld) Open(ctx context.Context, member string) (verify.Rows, error) {
	m, ok := w.app.store.Snapshot().Member(topology.MemberID(member))
	if !ok {
		return nil, fmt.Errorf("open %s: it is not a member", member)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return w.app.fleet.Member(m).Compare(ctx)
}

// Allowed implements verify.World: as applications ask, by the name of sqlring-verify.
func (w verifyWorld) Allowed(maxLag time.Duration) (bool, string) {
	snap := w.app.store.Snapshot()
	if snap.Ring == nil {
		return false, "there is no ring"
	}
	if op, runs := snap.Running(); runs {
		return false, fmt.Sprintf("operation %s (%s) runs", op.ID, op.Kind)
	}
	ask := lagguard.CheckAsk{App: verifyApp, Store: snap.Ring.Name, AtMost: maxLag, Now: time.Now(), Draw: rand.Float64()}
	if rule, ok := snap.Throttle(verifyApp, ask.Now); ok {
		ask.Rule = &rule
	}
	answer := w.app.monitor.Picture().Check(ask)
	return answer.Verdict == lagguard.CheckPass, answer.Message
}

// verifying shows the API the verifier.
type verifying struct{ v *verify.Verifier }

var _ api.Verifier = verifying{}

func (s verifying) Last() (rowcheck.Run, bool)     { return s.v.Last() }
func (s verifying) Stop(ctx context.Context) error { return s.v.Stop(ctx) }

func (s verifying) Start(by string, o rowcheck.Options, resume bool) (rowcheck.Run, error) {
	run, err := s.v.Start(by, o, resume)
	return run, refused(err)
}

func (s verifying) Plan(ctx context.Context, req api.RepairRequest) (rowcheck.RepairPlan, error) {
	plan, err := s.v.Plan(ctx, request(req, ""))
	return plan, refused(err)
}

func (s verifying) Repair(ctx context.Context, by string, req api.RepairRequest) (rowcheck.Run, error) {
	run, err := s.v.Repair(ctx, request(req, by))
	return run, refused(err)
}

func request(req api.RepairRequest, by string) verify.RepairRequest {
	return verify.RepairRequest{From: req.From, Schema: req.Schema, Table: req.Table, Why: req.Why, By: by}
}

// refused words the verifier's refusals for the API.
func refused(err error) error {
	if errors.Is(err, verify.ErrBusy) || errors.Is(err, verify.ErrNothing) || errors.Is(err, verify.ErrSource) {
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	}
	return err
}
