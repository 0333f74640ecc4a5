package api

import (
	"context"
	"errors"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Errors that a Node wraps so that a client is told what to do next.
var (
	// ErrNotLeader: this node may not change the state. The remedy is to ask the
	// leader; the answer names it (421).
	ErrNotLeader = errors.New("this node does not lead")
	// ErrOutcomeUnknown: a change was sent and no answer came. The remedy is to
	// look whether it happened before it is sent again (504).
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrNoSession: the proxy of this node has no session of that id (404).
	ErrNoSession = errors.New("no such session")
	// ErrNotRunning: the session runs nothing that could be ended (409).
	ErrNotRunning = errors.New("it runs nothing")
	// ErrCommits: a commit is not ended (409).
	ErrCommits = errors.New("it commits")
)

// Node is what the API needs of a node. Every method is safe for concurrent use
// and returns at once, but Propose and those that ask a member, which return
// within the deadline of ctx. What is returned is not changed afterwards.
type Node interface {
	Name() topology.NodeID
	Snapshot() *topology.Snapshot
	// Changed returns a channel that is closed once a snapshot above the index is there.
	Changed(after uint64) <-chan struct{}
	Observations() topology.Observations
	// Lags returns the lag of every pair of members.
	Lags() []lagguard.Cell
	// Picture returns the levels of the members, and what they follow from; nil: there
	// is no ring.
	Picture() *lagguard.Picture
	// Transitions returns the changes of level that this node has seen, oldest first.
	Transitions() []lagguard.Transition
	// Leader returns who leads; false: nobody does, as far as this node knows.
	Leader() (topology.NodeID, bool)
	// LastStep returns what the controller decided last, and when, or what the
	// leader has told of its own. Both are zero if neither is known.
	LastStep() (topology.Step, time.Time)
	// Propose commits a change in the name of by. It returns the errors of
	// topology.Apply, ErrNotLeader or ErrOutcomeUnknown, wrapped.
	Propose(ctx context.Context, by string, change topology.Change, why string) error
	ProxyStats() ProxyStats
	// Sessions returns the sessions of the node's proxy, by id.
	Sessions() []Session
	// Explain says where the node's proxy would send a statement: ErrNoProxy, or what is
	// wrong with the question.
	Explain(RouteQuery) (Route, error)
	// Pinned counts the sessions that keep their connection, by why: those that do for
	// several reasons, with each. All reasons that there are stand there.
	Pinned() map[string]int
	// Digests returns at most most digests of statements, those first that have taken the
	// most time, before the members and at them.
	Digests(most int) []DigestAt
	// EndSession ends a session, or with query what it runs, and returns when that is
	// over: ErrNoSession, ErrNotRunning, ErrCommits, ErrOutcomeUnknown (it was told, and
	// had not ended when ctx did), or what the member says.
	EndSession(ctx context.Context, id uint32, query bool) error
	// Hooks lists the hooks of this node's file, and how they are. It has no secrets.
	Hooks() []Hook
	// TestHook sends a test to one of them, once. It returns ErrNoHook, wrapped, or the
	// error of the hook.
	TestHook(ctx context.Context, name, by string) error
	// AskCounting asks a member by what it gives out ids.
	AskCounting(ctx context.Context, m topology.Member) (Counting, error)
	// AskSlots reads a member's own copy of the table of slots; the zero table: none.
	AskSlots(ctx context.Context, m topology.Member) (topology.SlotTable, error)
	// AskColumns lists a member's AUTO_INCREMENT columns, the most used first.
	AskColumns(ctx context.Context, m topology.Member) ([]autoinc.Column, error)
	// Ties reads, on a member, what ties schemas together. It returns within the
	// deadline of ctx, or 30 s.
	Ties(ctx context.Context, id topology.MemberID) ([]topology.Tie, error)
	// CheckCopy asks a server that is to get data, and the member that it is to get it
	// from, whether that can be. It returns within the deadline of ctx, or 30 s.
	CheckCopy(ctx context.Context, q topology.CopyInquiry) []topology.CopyCheck
	// TryReplay finds out what a replay of what only a member holds would do. It returns
	// within the deadline of ctx, or a minute.
	TryReplay(ctx context.Context, m topology.Member, a topology.Action) (topology.Replay, error)
	// LookAt asks servers what they are, members or not. It returns within the deadline
	// of ctx, or 10 s.
	LookAt(ctx context.Context, members []topology.Member) topology.Observations
}

// ProxyStats is what the proxy of a node has done since the node was started.
// The zero value is a node without a proxy.
type ProxyStats struct {
	Listen   string            `json:"listen" doc:"host:port that applications connect to; empty: none"`
	Socket   string            `json:"socket" doc:"path of the unix socket; empty: none"`
	Sessions int               `json:"sessions" doc:"clients that are connected now"`
	Queued   int               `json:"queued" doc:"statements that wait for admission now"`
	Queries  uint64            `json:"queries" doc:"commands relayed since the start"`
	Errors   uint64            `json:"errors" doc:"error packets sent to clients since the start, refusals aside"`
	Refused  map[string]uint64 `json:"refused" doc:"refusals since the start, by reason"`

	Traffic ProxyTraffic `json:"traffic"`
	Reads   ProxyReads   `json:"reads"`
	Pools   []ProxyPool  `json:"pools" doc:"by member"`

	Gates  []GateAt  `json:"-"` // in front of the members, by member
	Limits []LimitAt `json:"-"` // what rules that hold statements back do, by scope
}

// ProxyReads is where reads went, since the node's start.
type ProxyReads struct {
	Spread        uint64 `json:"spread" doc:"reads run at other members than the owner"`
	Awaited       uint64 `json:"awaited" doc:"of them, those whose member was asked to wait for what they had to see"`
	AwaitedInVain uint64 `json:"awaited_in_vain" doc:"reads that waited so, and went to the owner"`
}

// ProxyPool is how the connections to one member are used now.
type ProxyPool struct {
	Member string `json:"member"`
	Open   int    `json:"open" doc:"connections"`
	Taken  int    `json:"taken" doc:"of them, those that sessions have"`
	Queue  int    `json:"queue" doc:"sessions that wait for one"`
	Limit  int    `json:"limit" doc:"proxy.member_links; fewer if the node's share of four fifths of the member's max_connections is, or for a while if the member takes no more"`
}

// ProxyTraffic is what passed through the proxy of a node since its start.
type ProxyTraffic struct {
	Sessions       uint64 `json:"sessions" doc:"clients that ever connected"`
	Waited         uint64 `json:"waited" doc:"statements that had to wait for admission"`
	ReceivedBytes  uint64 `json:"received_bytes" doc:"from clients, after their login"`
	SentBytes      uint64 `json:"sent_bytes" doc:"to clients, after their login"`
	Links          uint64 `json:"links" doc:"connections opened to members"`
	LinksLost      uint64 `json:"links_lost" doc:"of them, lost without our doing"`
	LinksRefused   uint64 `json:"links_refused" doc:"connections that a member did not take, since it had as many as it may have (1040): statements waited instead"`
	LinksCut       uint64 `json:"links_cut" doc:"of them, cut at work since their member was no longer the owner"`
	OutcomeUnknown uint64 `json:"outcome_unknown" doc:"statements answered 08007: it may or may not have happened"`
	Repeated       uint64 `json:"repeated" doc:"reads run again on another member, of whose first run nothing was delivered"`
	Abandoned      uint64 `json:"abandoned" doc:"clients that left while a statement ran"`
	Slowed         uint64 `json:"slowed" doc:"logins made to wait since too many of their account had failed"`
	Faults         uint64 `json:"faults" doc:"sessions that ended by a fault of sqlring itself: its log has the stack"`
	Unnamed        uint64 `json:"unnamed_changes" doc:"changes of a session's state that its member reported and nothing has a name for: it keeps its connection"`
}
