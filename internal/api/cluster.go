package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Cluster is what the API needs of a node that has others. Its methods are safe for
// concurrent use and return within the deadline of ctx.
type Cluster interface {
	// Raft returns how raft stands on this node, at once.
	Raft() Raft
	// May returns why the leader does not carry an order out (remove, transfer); nil: it does.
	May(order topology.NoteOrder) error
	// Transfer hands the leadership to a voter; empty: to the one that is most up to date.
	Transfer(ctx context.Context, to topology.NodeID) error
	// Remove takes a node out, once it holds no lease any more.
	Remove(ctx context.Context, node topology.NodeID) error
	// Forward has the leader answer a request.
	Forward(ctx context.Context, r Forwarded) (Answered, error)
}

// Raft is how raft stands on one node.
type Raft struct {
	Node       string `json:"node"`
	Role       string `json:"role" doc:"leader, follower, candidate or shutdown"`
	Leader     string `json:"leader" doc:"empty: none is known"`
	Term       uint64 `json:"term"`
	FirstIndex uint64 `json:"first_index" doc:"oldest entry in the log"`
	LastIndex  uint64 `json:"last_index"`
	Committed  uint64 `json:"committed"`
	Applied    uint64 `json:"applied"`
	LogBytes   int64  `json:"log_bytes"`
	Error      string `json:"error,omitempty" doc:"why this node has left raft, or can not write its log"`
	Isolation  string `json:"isolation" doc:"fence or continue"`
	Peers      []Peer `json:"peers"`
}

// Peer is one node of raft's configuration.
type Peer struct {
	Name   string `json:"name"`
	Addr   string `json:"addr" doc:"of its raft port"`
	Part   string `json:"part" doc:"voter, witness or observer"`
	Leader bool   `json:"leader"`
	// HeardMS is how long ago the leader heard of it; absent where it is not known.
	HeardMS *int64 `json:"heard_ms,omitempty"`
	Unit    string `json:"lease,omitempty" doc:"what its proxy holds a lease on, as the leader knows it"`
}

// RemoveRequest says why a node is taken out.
type RemoveRequest struct {
	Why string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
	// DryRun, here and in the bodies below, only checks, as in the query. A client puts it here:
	// a node of a release that has no dry run refuses what it does not know in a body, and passes
	// over it in a query.
	DryRun bool `json:"dry_run,omitempty" doc:"as in the query"`
}

type removeInput struct {
	Node   string         `path:"node" maxLength:"64" doc:"for example n2"`
	DryRun bool           `query:"dry_run" doc:"only check it"`
	Body   *RemoveRequest `required:"false"`
}

type transferInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   struct {
		To     string `json:"to,omitempty" maxLength:"64" doc:"a voter; empty: whichever is most up to date"`
		Why    string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
		DryRun bool   `json:"dry_run,omitempty" doc:"as in the query"`
	}
}

type isolationInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   struct {
		Isolation string `json:"isolation" enum:"fence,continue"`
		Why       string `json:"why,omitempty" maxLength:"200"`
		DryRun    bool   `json:"dry_run,omitempty" doc:"as in the query"`
	}
}

type tokenInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   struct {
		Name   string `json:"name" maxLength:"64"`
		Role   string `json:"role" enum:"viewer,operator,admin"`
		Hash   string `json:"hash" minLength:"64" maxLength:"64" doc:"SHA-256 of the secret, in hexadecimal: the secret stays with who made it"`
		Why    string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
		DryRun bool   `json:"dry_run,omitempty" doc:"as in the query"`
	}
}

type tokenPath struct {
	Name   string         `path:"name" maxLength:"64"`
	DryRun bool           `query:"dry_run" doc:"only check it"`
	Body   *RevokeRequest `required:"false"`
}

// RevokeRequest says why a token is revoked.
type RevokeRequest struct {
	Why string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

func (p tokenPath) why() string {
	if p.Body == nil {
		return ""
	}
	return p.Body.Why
}

// Token is a bearer of the API.
type Token struct {
	Name string `json:"name"`
	Role string `json:"role"`
	At   string `json:"at"`
	By   string `json:"by"`
}

type tokenList struct {
	Tokens []Token `json:"tokens"`
}

func (s *Server) clusterRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/raft", OperationID: "get-raft", Summary: "How raft stands on this node",
	}, func(context.Context, *nothing) (*answer[Raft], error) {
		if s.cfg.Cluster == nil {
			return nil, newProblem(http.StatusNotFound, ProblemNotFound, "this node has no raft to speak of")
		}
		return &answer[Raft]{s.cfg.Cluster.Raft()}, nil
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/raft/transfer", OperationID: "transfer-leadership", MaxBodyBytes: maxBody,
		Summary: "Hand the leadership to another voter",
	}, func(ctx context.Context, in *transferInput) (*answer[Raft], error) {
		to := topology.NodeID(in.Body.To)
		return s.carryOut(ctx, "transfer the leadership", topology.NoteOrder{Order: topology.OrderTransfer, Node: to}, commitment{in.Body.Why, in.DryRun || in.Body.DryRun})
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/raft/peers/{node}/remove", OperationID: "remove-node", MaxBodyBytes: maxBody,
		Summary: "Take a node out of raft's configuration, once it holds no lease",
	}, func(ctx context.Context, in *removeInput) (*answer[Raft], error) {
		how := commitment{"", in.DryRun}
		if in.Body != nil {
			how.why, how.dryRun = in.Body.Why, in.DryRun || in.Body.DryRun
		}
		return s.carryOut(ctx, "remove node "+in.Node, topology.NoteOrder{Order: topology.OrderRemove, Node: topology.NodeID(in.Node)}, how)
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/raft/isolation", OperationID: "set-isolation", MaxBodyBytes: maxBody,
		Summary: "What a node does that hears of no leader: fence (no writes) or continue",
	}, s.setIsolation)
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/raft/state", OperationID: "get-state", Summary: "The replicated state, to be kept",
	}, func(context.Context, *nothing) (*answer[SavedState], error) { return s.savedState() })
	s.tokenRoutes(api)
}

// StateKind is the kind of a SavedState.
const StateKind = "sqlring state"

// SavedState is the replicated state as it is kept in a file.
type SavedState struct {
	Kind   string          `json:"kind"`
	Saved  time.Time       `json:"saved"`
	Node   string          `json:"node" doc:"whose state it was"`
	Index  uint64          `json:"index"`
	SHA256 string          `json:"sha256" doc:"of the state, without blanks"`
	State  json.RawMessage `json:"state"`
}

func (s *Server) savedState() (*answer[SavedState], error) {
	l := s.look()
	state, err := topology.EncodeSnapshot(l.snap)
	if err != nil {
		return nil, newProblem(http.StatusInternalServerError, ProblemInternal, "encode the state: %v", err)
	}
	sum := sha256.Sum256(state)
	return &answer[SavedState]{SavedState{
		Kind: StateKind, Saved: l.now.UTC(), Node: string(l.node), Index: l.snap.Index, SHA256: hex.EncodeToString(sum[:]), State: state,
	}}, nil
}

// carryOut has the leader carry out an order about the nodes, once it stands in the audit, or
// only see whether it would. What is refused leaves no note there.
func (s *Server) carryOut(ctx context.Context, what string, order topology.NoteOrder, how commitment) (*answer[Raft], error) {
	l := s.look()
	if l.leader != l.node || !l.hasLeader || s.cfg.Cluster == nil {
		return nil, notLeader(l, what)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Propose)
	defer cancel()
	err := s.cfg.Cluster.May(order)
	if err == nil && !how.dryRun {
		err = s.notedOrder(ctx, order, how.why)
	}
	if err != nil {
		return nil, proposeProblem(l, what, err)
	}
	if !how.dryRun {
		s.cfg.Logger.Info("raft changed for the api", "by", s.who(ctx), "change", what)
	}
	return &answer[Raft]{s.cfg.Cluster.Raft()}, nil
}

// notedOrder has an order about the nodes stand in the audit, and carries it out then (S90); it
// is not carried out without that.
func (s *Server) notedOrder(ctx context.Context, order topology.NoteOrder, why string) error {
	if s.look().snap.Knows(topology.LawOfOrders) {
		if err := s.propose(ctx, order, why); err != nil {
			return err
		}
	}
	if order.Order == topology.OrderRemove {
		return s.cfg.Cluster.Remove(ctx, order.Node)
	}
	return s.cfg.Cluster.Transfer(ctx, order.Node)
}

func (s *Server) setIsolation(ctx context.Context, in *isolationInput) (*answer[Raft], error) {
	var to topology.Isolation
	if err := to.UnmarshalText([]byte(in.Body.Isolation)); err != nil {
		return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "isolation: %v", err)
	}
	if s.cfg.Cluster == nil {
		return nil, notLeader(s.look(), "set isolation")
	}
	if _, err := s.commit(ctx, "set isolation", topology.SetIsolation{To: to}, commitment{in.Body.Why, in.DryRun || in.Body.DryRun}); err != nil {
		return nil, err
	}
	return &answer[Raft]{s.cfg.Cluster.Raft()}, nil
}

func (s *Server) tokenRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/tokens", OperationID: "get-tokens", Summary: "Who may call the API over the network by a token",
	}, func(context.Context, *nothing) (*answer[tokenList], error) {
		return &answer[tokenList]{s.tokens()}, nil
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/tokens", OperationID: "create-token", MaxBodyBytes: maxBody, Summary: "Let the bearer of a new token in",
	}, func(ctx context.Context, in *tokenInput) (*answer[tokenList], error) {
		return s.changeTokens(ctx, topology.AddToken{Name: in.Body.Name, Role: in.Body.Role, Hash: in.Body.Hash}, commitment{in.Body.Why, in.DryRun || in.Body.DryRun})
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/tokens/{name}/revoke", OperationID: "revoke-token", MaxBodyBytes: maxBody, Summary: "Let the bearer of a token in no longer",
	}, func(ctx context.Context, in *tokenPath) (*answer[tokenList], error) {
		return s.changeTokens(ctx, topology.RevokeToken{Name: in.Name}, commitment{in.why(), in.DryRun})
	})
}

func (s *Server) tokens() tokenList {
	list := tokenList{Tokens: []Token{}}
	for _, t := range s.look().snap.Tokens {
		list.Tokens = append(list.Tokens, Token{Name: t.Name, Role: t.Role, At: t.At.Format("2006-01-02T15:04:05Z07:00"), By: t.By})
	}
	return list
}

func (s *Server) changeTokens(ctx context.Context, change topology.Change, how commitment) (*answer[tokenList], error) {
	if _, err := s.commit(ctx, change.String(), change, how); err != nil {
		return nil, err
	}
	return &answer[tokenList]{s.tokens()}, nil
}
