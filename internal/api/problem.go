package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// ProblemKind says which sort of refusal a Problem is. It is the last part of
// its type, "urn:sqlring:problem:" + kind, and stable.
type ProblemKind string

// The kinds of problem.
const (
	ProblemInvalid        ProblemKind = "invalid"         // 400, 413, 422: the request is malformed
	ProblemReadOnly       ProblemKind = "read-only"       // 403: changes need the unix socket
	ProblemDenied         ProblemKind = "denied"          // 401, 403: the caller may not
	ProblemNotFound       ProblemKind = "not-found"       // 404
	ProblemRefused        ProblemKind = "refused"         // 409: a safety check says no
	ProblemStale          ProblemKind = "stale"           // 409: the state has moved on; look again
	ProblemWrongHost      ProblemKind = "wrong-host"      // 421: the Host header names somebody else
	ProblemNotLeader      ProblemKind = "not-leader"      // 421: ask the leader
	ProblemOutcomeUnknown ProblemKind = "outcome-unknown" // 504: it may or may not have happened
	ProblemInternal       ProblemKind = "internal"        // 500
)

const problemPrefix = "urn:sqlring:problem:"

// Problem is a refusal as RFC 9457 writes it (application/problem+json). Detail
// says what was refused, where, and what to do.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Leader string `json:"leader,omitempty"` // of ProblemNotLeader, if it is known
	// Check names the safety check that refused, and Override the field of the
	// request that overrides it: of ProblemRefused, where they have a name.
	Check    string `json:"check,omitempty"`
	Override string `json:"override,omitempty"`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// Kind returns the stable kind.
func (p *Problem) Kind() ProblemKind {
	return ProblemKind(strings.TrimPrefix(p.Type, problemPrefix))
}

// Is lets a client ask errors.Is for ErrNotLeader and ErrOutcomeUnknown.
func (p *Problem) Is(target error) bool {
	return target == ErrNotLeader && p.Kind() == ProblemNotLeader ||
		target == ErrOutcomeUnknown && p.Kind() == ProblemOutcomeUnknown
}

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of a problem.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func newProblem(status int, kind ProblemKind, format string, args ...any) *Problem {
	return &Problem{
		Type: problemPrefix + string(kind), Title: http.StatusText(status), Status: status,
		Detail: fmt.Sprintf(format, args...),
	}
}

// writeProblem answers with p outside of the OpenAPI routes.
func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client has gone; nobody to tell
}

// proposeProblem says what became of a change that was not committed.
func proposeProblem(l look, what string, err error) *Problem {
	switch {
	case errors.Is(err, ErrNotLeader):
		return notLeader(l, what)
	case errors.Is(err, ErrOutcomeUnknown), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return newProblem(http.StatusGatewayTimeout, ProblemOutcomeUnknown,
			"%s: no answer from the controllers, it may or may not have happened: look at `sqlring operation list` before you try again (%v)", what, err)
	case errors.Is(err, topology.ErrLaw):
		return newProblem(http.StatusConflict, ProblemRefused, "%s: %v", what, err)
	case errors.Is(err, topology.ErrStale) && strings.Contains(err.Error(), "sqlring "): // it says itself what to type
		return newProblem(http.StatusConflict, ProblemStale, "%s: %v", what, err)
	case errors.Is(err, topology.ErrStale):
		return newProblem(http.StatusConflict, ProblemStale, "%s: %v: look at `sqlring status`", what, err)
	}
	return newProblem(http.StatusInternalServerError, ProblemInternal, "%s: %v", what, err)
}

func notLeader(l look, what string) *Problem {
	if !l.hasLeader {
		return newProblem(http.StatusMisdirectedRequest, ProblemNotLeader,
			"%s: no node leads now: try again in a moment; if it stays so, a majority of the nodes is not up", what)
	}
	p := newProblem(http.StatusMisdirectedRequest, ProblemNotLeader,
		"%s: node %s does not lead, %s does: ask the API socket of %s", what, l.node, l.leader, l.leader)
	p.Leader = string(l.leader)
	return p
}

// explain turns the framework's validation errors into problems whose detail
// says what is wrong, and where.
func explain(_ huma.Context, _ string, body any) (any, error) {
	model, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	kind := ProblemInvalid
	if model.Status >= 500 {
		kind = ProblemInternal
	}
	detail := []string{model.Detail}
	if model.Detail == "validation failed" && len(model.Errors) > 0 {
		detail = nil // each says more
	}
	for _, e := range model.Errors {
		where := strings.TrimPrefix(e.Location, "body.")
		detail = append(detail, where+": "+bound(where, e.Message))
	}
	return newProblem(model.Status, kind, "%s", strings.Join(detail, "; ")), nil
}

// bound writes the number that such a sentence ends with in full, and what it is as a
// duration if the field is one.
func bound(field, message string) string {
	at := strings.LastIndexByte(message, ' ') + 1
	number, err := strconv.ParseFloat(message[at:], 64)
	if err != nil || math.Abs(number) > math.MaxInt32*1000.0 {
		return message
	}
	text := strconv.FormatFloat(number, 'f', -1, 64)
	if strings.HasSuffix(field, "_ms") && number != 0 {
		text += fmt.Sprintf(" (%s)", time.Duration(number)*time.Millisecond)
	}
	return message[:at] + text
}
