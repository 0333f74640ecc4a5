package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// ErrNoProxy: this node is a witness, which has no proxy (404).
var ErrNoProxy = errors.New("this node has no proxy")

// maxExplained is how long a statement may be that is explained, in bytes: it travels in
// the path of a GET.
const maxExplained = 4096

// RouteQuery asks where a statement would go.
type RouteQuery struct {
	Statement   string `query:"statement" required:"true" minLength:"1" maxLength:"4096" doc:"one, or several"`
	Account     string `query:"account" doc:"whose session would send it; empty: one that has no settings, and has written nothing"`
	Schema      string `query:"schema" doc:"the session's default schema"`
	Consistency string `query:"consistency" doc:"of the session: eventual, session, account, strong; empty: the account's"`
}

// Route is where a statement would go from a session that has just logged in at the node
// that answers, and why. It is what EXPLAIN ROUTE says of an open session.
type Route struct {
	Node        string           `json:"node"`
	Statement   string           `json:"statement" doc:"its digest"`
	Parts       []RoutePart      `json:"parts" doc:"of each statement of the text"`
	Keeps       []string         `json:"keeps" doc:"why the session would keep its connection afterwards; empty: it would not"`
	Units       []RouteUnit      `json:"units" doc:"those that it touches"`
	Spreads     bool             `json:"spreads" doc:"it is a read that any member may answer that qualifies"`
	Consistency string           `json:"consistency" doc:"what the read has to see; empty: it does not spread"`
	Need        string           `json:"need" doc:"the position of that; empty: nothing"`
	GoesTo      string           `json:"goes_to" doc:"a member; empty: nowhere now"`
	Refused     bool             `json:"refused" doc:"it would be refused"`
	Why         string           `json:"why"`
	Candidates  []RouteCandidate `json:"candidates" doc:"of a read that spreads: each member"`
}

// RoutePart is what one statement does.
type RoutePart struct {
	Kind   string   `json:"kind" doc:"read, change, ddl, set and the like"`
	Tables []string `json:"tables" doc:"(written) stands behind those that are, or may be"`
	Does   []string `json:"does" doc:"besides giving or changing rows"`
}

// RouteUnit is a unit that a statement touches.
type RouteUnit struct {
	Unit  string `json:"unit"`
	Epoch uint64 `json:"epoch"`
	Owner string `json:"owner"`
}

// RouteCandidate is whether a read may go to a member.
type RouteCandidate struct {
	Member    string `json:"member"`
	Site      string `json:"site"`
	Qualifies bool   `json:"qualifies"`
	Why       string `json:"why"`
}

func (s *Server) explainRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/explain", OperationID: "explain-route", Summary: "Where a statement would go, and why; it is not run",
	}, func(_ context.Context, in *RouteQuery) (*answer[Route], error) {
		route, err := s.node.Explain(*in)
		switch {
		case errors.Is(err, ErrNoProxy):
			return nil, newProblem(http.StatusNotFound, ProblemNotFound, "explain: node %s is a witness: it has no proxy: ask another node", s.node.Name())
		case err != nil:
			return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "explain: %v", err)
		}
		route.Node = string(s.node.Name())
		return &answer[Route]{route}, nil
	})
}
