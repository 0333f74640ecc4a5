package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// GateAt is the gate in front of one member, of one node, as a Node reports it.
type GateAt struct {
	Member topology.MemberID
	Idle   int // places whose transaction waits for its client
	gate.State
	Hot    []gate.HotKey // keys that have lanes, or would have
	Crowds []gate.Crowd  // whose statements wait, the longest queues first
}

// Gate is the gate in front of a member, of the node that answers.
type Gate struct {
	Member     string            `json:"member"`
	State      string            `json:"state" enum:"open,braked,saturated" doc:"braked: the member's own word, or the lag of others, holds it down"`
	Mode       string            `json:"mode" enum:"absorb,shed"`
	Limit      int               `json:"limit" doc:"places that there are now"`
	Writes     int               `json:"writes" doc:"of them, those that writes may have: fewer while others lag behind the member"`
	Taken      map[string]int    `json:"taken" doc:"places that are taken, by class"`
	Idle       int               `json:"idle" doc:"of them, those whose transaction waits for its client"`
	Waiting    map[string]int    `json:"waiting" doc:"statements that wait, by class"`
	Bytes      int               `json:"bytes" doc:"of the commands that wait"`
	Inflation  float64           `json:"inflation" doc:"what statements take now, divided by what is usual"`
	ExpectedMS int64             `json:"expected_ms" doc:"how long a statement that comes now would wait"`
	Waits      uint64            `json:"waits" doc:"statements that waited, since the start"`
	WaitMS     float64           `json:"wait_ms" doc:"how long they did on average"`
	Refused    map[string]uint64 `json:"refused" doc:"statements that got an error instead of a place or a hot row, since the start, by why"`
	Gone       uint64            `json:"gone" doc:"statements whose client went while they waited for a place or a hot row"`
	HotKeys    []HotKey          `json:"hot_keys" doc:"the hottest first"`
	Granted    map[string]uint64 `json:"granted" doc:"places given since the start, by class"`
	WaitedMS   float64           `json:"waited_ms" doc:"how long all statements waited, since the start"`
	Queues     []GateQueue       `json:"queues" doc:"accounts of which statements wait now, the longest queues first; 16 at most"`
}

// GateQueue is how many statements of an account wait for a place.
type GateQueue struct {
	Account string `json:"account"`
	Waiting int    `json:"waiting"`
}

// HotKey is a key that several transactions want at once.
type HotKey struct {
	Key     string `json:"key" doc:"table, column and a digest of the value"`
	Laned   bool   `json:"laned" doc:"one transaction has it at a time"`
	Using   int    `json:"using" doc:"transactions that have it now"`
	Waiting int    `json:"waiting"`
	Uses    uint64 `json:"uses" doc:"since it is hot"`
	Waits   uint64 `json:"waits"`
	Passed  uint64 `json:"passed" doc:"of those that waited, who went on without it"`
}

// GateSettings are those of all gates.
type GateSettings struct {
	Mode           string `json:"mode" enum:"absorb,shed"`
	Floor          int    `json:"floor"`
	Ceiling        int    `json:"ceiling" doc:"at most proxy.member_links of the node; 0: as many"`
	MaxWaitMS      int64  `json:"max_wait_ms"`
	ShedWaitMS     int64  `json:"shed_wait_ms"`
	MaxQueue       int    `json:"max_queue"`
	QueueBytes     int    `json:"queue_bytes"`
	HeavyAfterMS   int64  `json:"heavy_after_ms"`
	RunningThreads int    `json:"running_threads" doc:"0: the member is not asked"`
	RowLockWaits   int    `json:"row_lock_waits" doc:"0: the member is not asked"`
	HotKeys        string `json:"hot_keys" enum:"on,dry-run,off"`
	HotWidth       int    `json:"hot_width"`
}

// GateReport is the gates of the node that answers, and what all nodes' are told.
type GateReport struct {
	Settings GateSettings `json:"settings"`
	Gates    []Gate       `json:"gates"`
}

// GateSetRequest changes settings of the gates. What is left out stays as it is; 0 is the
// default.
type GateSetRequest struct {
	Default        bool    `json:"default,omitempty" doc:"begin from the defaults"`
	Mode           *string `json:"mode,omitempty" enum:"absorb,shed"`
	Floor          *int    `json:"floor,omitempty"`
	Ceiling        *int    `json:"ceiling,omitempty"`
	MaxWaitMS      *int64  `json:"max_wait_ms,omitempty"`
	ShedWaitMS     *int64  `json:"shed_wait_ms,omitempty"`
	MaxQueue       *int    `json:"max_queue,omitempty"`
	QueueBytes     *int    `json:"queue_bytes,omitempty"`
	HeavyAfterMS   *int64  `json:"heavy_after_ms,omitempty"`
	RunningThreads *int    `json:"running_threads,omitempty"`
	RowLockWaits   *int    `json:"row_lock_waits,omitempty"`
	HotKeys        *string `json:"hot_keys,omitempty" enum:"on,dry-run,off"`
	HotWidth       *int    `json:"hot_width,omitempty"`
	Why            string  `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// GateSetResponse is what is set then, and what was before.
type GateSetResponse struct {
	Before GateSettings `json:"before"`
	After  GateSettings `json:"after"`
}

func gateSettingsOf(s gate.Settings) GateSettings {
	ceiling := s.Ceiling
	s = s.WithDefaults()
	return GateSettings{
		Mode: s.Mode.String(), Floor: s.Floor, Ceiling: ceiling, MaxWaitMS: s.MaxWait.Milliseconds(), ShedWaitMS: s.ShedWait.Milliseconds(),
		MaxQueue: s.MaxQueue, QueueBytes: s.QueueBytes, HeavyAfterMS: s.HeavyAfter.Milliseconds(),
		RunningThreads: s.RunningThreads, RowLockWaits: s.RowLockWaits, HotKeys: s.Hot.String(), HotWidth: s.HotWidth,
	}
}

// change returns the change that the request is; what can not be set is refused by the
// law of the ring.
func (r GateSetRequest) change(s gate.Settings) (topology.SetGates, error) {
	if r.Default {
		s = gate.Settings{}
	}
	set := func(into, by *int) {
		if by != nil {
			*into = *by
		}
	}
	lasts := func(into *time.Duration, by *int64) {
		if by != nil {
			*into = milliseconds(*by)
		}
	}
	set(&s.Floor, r.Floor)
	set(&s.Ceiling, r.Ceiling)
	set(&s.MaxQueue, r.MaxQueue)
	set(&s.QueueBytes, r.QueueBytes)
	set(&s.RunningThreads, r.RunningThreads)
	set(&s.RowLockWaits, r.RowLockWaits)
	set(&s.HotWidth, r.HotWidth)
	lasts(&s.MaxWait, r.MaxWaitMS)
	lasts(&s.ShedWait, r.ShedWaitMS)
	lasts(&s.HeavyAfter, r.HeavyAfterMS)
	var err error
	if r.Mode != nil {
		s.Mode, err = gate.ParseMode(*r.Mode)
	}
	if r.HotKeys != nil && err == nil {
		s.Hot, err = gate.ParseHotMode(*r.HotKeys)
	}
	if s == (gate.Settings{}) {
		return topology.SetGates{}, err
	}
	return topology.SetGates{Settings: &s}, err
}

func (l look) gateReport() GateReport {
	r := GateReport{Settings: gateSettingsOf(l.snap.GateSettings()), Gates: []Gate{}}
	for _, g := range l.proxy.Gates {
		r.Gates = append(r.Gates, gateOf(g))
	}
	return r
}

func gateOf(g GateAt) Gate {
	shown := Gate{
		Member: string(g.Member), State: "open", Mode: g.Settings.Mode.String(), Limit: g.Limit, Writes: g.Writes, Idle: g.Idle, Bytes: g.Bytes,
		Taken: map[string]int{}, Waiting: map[string]int{}, Inflation: g.Inflation, ExpectedMS: g.Expected.Milliseconds(),
		Waits: g.Counts.Waits, Refused: map[string]uint64{}, Gone: g.Counts.Gone, HotKeys: []HotKey{},
		Granted: map[string]uint64{}, WaitedMS: g.Counts.WaitTime.Seconds() * 1000, Queues: []GateQueue{},
	}
	switch {
	case g.Saturated:
		shown.State = "saturated"
	case g.Braked:
		shown.State = "braked"
	}
	if g.Counts.Waits > 0 {
		shown.WaitMS = g.Counts.WaitTime.Seconds() * 1000 / float64(g.Counts.Waits)
	}
	for c := range gate.Class(gate.Classes) {
		shown.Taken[c.String()], shown.Waiting[c.String()] = g.Taken[c], g.Waiting[c]
		shown.Granted[c.String()] = g.Counts.Granted[c]
	}
	for r := gate.Granted + 1; int(r) < gate.Refusals; r++ {
		shown.Refused[r.String()] = g.Counts.Refused[r]
	}
	for _, q := range g.Crowds {
		shown.Queues = append(shown.Queues, GateQueue{q.Account, q.Waiting})
	}
	for _, h := range g.Hot {
		shown.HotKeys = append(shown.HotKeys, HotKey{h.Name, h.Laned, h.Using, h.Waiting, h.Uses, h.Waits, h.Passed})
	}
	return shown
}

type gateSetInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   GateSetRequest
}

func (s *Server) gateRoutes(api huma.API) {
	get(s, api, "/v1/gates", "The gates in front of the members, of this node", look.gateReport)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/gates/settings", OperationID: "set-gates", MaxBodyBytes: maxBody,
		Summary: "Change the settings of all gates; returns what was set, and what is",
	}, func(ctx context.Context, in *gateSetInput) (*answer[GateSetResponse], error) {
		before := s.look().snap.GateSettings()
		change, err := in.Body.change(before)
		if err != nil {
			return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "%v", err)
		}
		next, problem := s.commit(ctx, "set the gates", change, commitment{in.Body.Why, in.DryRun})
		if problem != nil {
			return nil, problem
		}
		return &answer[GateSetResponse]{GateSetResponse{gateSettingsOf(before), gateSettingsOf(next.GateSettings())}}, nil
	})
	s.limitRoutes(api)
	s.digestRoutes(api)
	s.accountRoutes(api)
}
