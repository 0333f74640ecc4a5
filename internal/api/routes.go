package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/sqlring/sqlring/pkg/topology"
)

// answer is the body of a response.
type answer[T any] struct{ Body T }

type nothing struct{}

// mux returns all routes. Which of them a transport lets through is the guards'
// affair.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	api := humago.New(mux, openAPIConfig())
	s.readRoutes(api)
	s.healRoutes(api)
	s.whyRoutes(api)
	s.historyRoutes(api)
	s.countingRoutes(api)
	s.changeRoutes(api)
	s.rejoinRoutes(api)
	s.clusterRoutes(api)
	s.lagRoutes(api)
	s.throttleRoutes(api)
	s.gateRoutes(api)
	s.frenoRoutes(mux)
	s.unitRoutes(api)
	s.pageRoutes(mux)
	s.drainRoutes(api)
	s.resizeRoutes(api)
	s.checkRoutes(api)
	s.verifyRoutes(api)
	s.sessionRoutes(api)
	s.explainRoutes(api)
	s.eventRoutes(api)
	s.hookRoutes(api)
	s.leaveRoutes(api)
	s.dissolveRoutes(api)
	s.addRoutes(api)
	s.adoptRoutes(api)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metricsHandler())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, newProblem(http.StatusNotFound, ProblemNotFound,
			"%s %s: there is no such path or method: GET /openapi.json lists them", r.Method, r.URL.Path))
	})
	return mux
}

func openAPIConfig() huma.Config {
	cfg := huma.DefaultConfig("sqlring", BuildVersion().API)
	cfg.Info.Description = "A node of a MySQL/MariaDB master ring. Reading is open on loopback; changes need the unix socket."
	cfg.DocsPath, cfg.SchemasPath = "", ""
	cfg.CreateHooks = nil // no "$schema" in the answers
	cfg.Transformers = []huma.Transformer{explain}
	cfg.RejectUnknownQueryParameters = true
	return cfg
}

// get registers one answer that is computed from one look.
func get[T any](s *Server, api huma.API, path, summary string, compute func(look) T) {
	op := huma.Operation{Method: http.MethodGet, Path: path, Summary: summary, OperationID: operationID(path)}
	huma.Register(api, op, func(context.Context, *nothing) (*answer[T], error) {
		return &answer[T]{compute(s.look())}, nil
	})
}

// operationID names a route in the OpenAPI document: "/v1/lag" is "get-lag".
func operationID(path string) string {
	return "get-" + strings.ReplaceAll(strings.TrimPrefix(path, "/v1/"), "/", "-")
}

// Lists are objects, so that a field can stand beside them later.
type (
	memberList struct {
		Members []Member `json:"members"`
	}
	unitList struct {
		Units []Unit `json:"units"`
	}
	operationList struct {
		Operations []Operation `json:"operations"`
	}
	eventList struct {
		Events []Event `json:"events"`
		Index  uint64  `json:"index" doc:"of the state that they were read from: ask for those after it"`
	}
)

func (s *Server) readRoutes(api huma.API) {
	get(s, api, "/v1/status", "Everything that one needs to see of the ring", look.status)
	get(s, api, "/v1/members", "The members, in ring order", func(l look) memberList { return memberList{l.members()} })
	get(s, api, "/v1/units", "The units and their owners", func(l look) unitList { return unitList{l.units()} })
	get(s, api, "/v1/topology", "The ring: who follows whom, as meant and as seen", look.ringMap)
	get(s, api, "/v1/lag", "The lag of every member and pair of members, and the hop to blame", look.lagReport)
	get(s, api, "/v1/autoinc", "The auto_increment slots", look.autoinc)
	get(s, api, "/v1/operations", "The operations, newest first", func(l look) operationList { return operationList{l.operations()} })
	get(s, api, "/v1/version", "What is running", func(look) Version { return BuildVersion() })

	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/operations/{id}", OperationID: "get-operation", Summary: "One operation",
	}, func(_ context.Context, in *operationPath) (*answer[Operation], error) {
		l := s.look()
		op, ok := l.snap.Operation(topology.OperationID(in.ID))
		if !ok {
			return nil, noOperation(in.ID)
		}
		return &answer[Operation]{l.operation(op)}, nil
	})
}

// historyRoutes serves what the page draws.
func (s *Server) historyRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/history", OperationID: "get-history", Summary: "Lag and load of the last ten minutes",
	}, func(_ context.Context, in *historyQuery) (*answer[History], error) {
		return &answer[History]{s.past.since(in.After)}, nil
	})
}

type historyQuery struct {
	After uint64 `query:"after" doc:"only samples above this seq"`
}

type operationPath struct {
	ID string `path:"id" maxLength:"32" doc:"for example op1"`
}

func noOperation(id string) *Problem {
	return newProblem(http.StatusNotFound, ProblemNotFound,
		"operation %s is not known here: it never was, or it was aborted together with its ring: `sqlring operation list` shows what is", id)
}

// healthz answers as long as the process can.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "alive")
}

// readyz answers 200 if this node can have reads and writes served, else 503 and
// a line for each reason.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	why := s.look().unready()
	if len(why) == 0 {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, strings.Join(why, "\n"))
}
