package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/lagguard"
)

// CheckResult is the answer to "may this application write now?", with the names that
// the clients of freno read.
type CheckResult struct {
	// StatusCode is 200: yes; 404: there is no such store; 417: a rule holds it back;
	// 429: a member lags too far; 500: not known, do not write.
	StatusCode int     `json:"StatusCode"`
	Message    string  `json:"Message"`   // why not; empty if it may
	Value      float64 `json:"Value"`     // the worst lag, at most, in seconds
	Threshold  float64 `json:"Threshold"` // in seconds
}

// frenoStatus is the status of each answer: freno's doc/http.md.
func frenoStatus(v lagguard.Verdict) int {
	switch v {
	case lagguard.CheckPass:
		return http.StatusOK
	case lagguard.CheckNoStore:
		return http.StatusNotFound
	case lagguard.CheckForbidden:
		return http.StatusExpectationFailed
	case lagguard.CheckExceeded:
		return http.StatusTooManyRequests
	case lagguard.CheckUnsure:
	}
	return http.StatusInternalServerError
}

func frenoCode(v lagguard.Verdict) string { return strconv.Itoa(frenoStatus(v)) }

// checkCounts counts the answers to checks, by verdict.
type checkCounts [lagguard.CheckExceeded + 1]atomic.Uint64

// frenoRoutes adds the paths of freno that its clients and gh-ost's --throttle-http
// use, with and without the prefix /freno: gh-ost words its messages by that.
//
// They are answered from this node's memory, on every node. Each may be asked by GET
// or HEAD, and changes nothing: what freno does by GET /throttle-app is done by
// `sqlring throttle set`.
func (s *Server) frenoRoutes(mux *http.ServeMux) {
	for _, prefix := range []string{"", "/freno"} {
		for path, ask := range map[string]frenoAsk{
			"/check/{app}/{type}/{store}":                            {},
			"/check-if-exists/{app}/{type}/{store}":                  {ifExists: true},
			"/check-read/{app}/{type}/{store}/{threshold}":           {},
			"/check-read-if-exists/{app}/{type}/{store}/{threshold}": {ifExists: true},
		} {
			mux.HandleFunc("GET "+prefix+path, func(w http.ResponseWriter, r *http.Request) { s.frenoCheck(w, r, ask) })
		}
		mux.HandleFunc("GET "+prefix+"/throttled-apps", s.frenoThrottled)
		mux.HandleFunc("GET "+prefix+"/lb-check", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, CheckResult{StatusCode: http.StatusOK, Message: "OK"})
		})
		mux.HandleFunc("GET "+prefix+"/leader-check", s.frenoLeader)
		for _, change := range []string{"/throttle-app/", "/unthrottle-app/"} {
			mux.HandleFunc("GET "+prefix+change, func(w http.ResponseWriter, r *http.Request) {
				writeProblem(w, newProblem(http.StatusForbidden, ProblemReadOnly,
					"%s: a GET changes nothing here: use `sqlring throttle set APP` or `sqlring throttle clear APP`", r.URL.Path))
			})
		}
	}
}

type frenoAsk struct {
	ifExists bool // a store that is not known passes
}

func (s *Server) frenoCheck(w http.ResponseWriter, r *http.Request, how frenoAsk) {
	answer := s.check(r, how)
	writeJSON(w, answer.StatusCode, answer)
}

// check answers one check. It looks at nothing but what is in memory.
func (s *Server) check(r *http.Request, how frenoAsk) CheckResult {
	ask := lagguard.CheckAsk{App: r.PathValue("app"), Store: r.PathValue("store"), Now: time.Now(), Draw: rand.Float64()}
	if kind := r.PathValue("type"); kind != "mysql" {
		return s.counted(lagguard.CheckAnswer{Verdict: lagguard.CheckNoStore, Message: fmt.Sprintf("store type %q is not mysql", kind)})
	}
	if text := r.PathValue("threshold"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds > 0 && seconds < 1e6) {
			return s.counted(lagguard.CheckAnswer{Message: fmt.Sprintf("threshold %q is not a number of seconds above 0", text)})
		}
		ask.AtMost = time.Duration(seconds * float64(time.Second))
	}
	if snap := s.node.Snapshot(); snap != nil {
		if rule, ok := snap.Throttle(ask.App, ask.Now); ok {
			ask.Rule = &rule
		}
	}
	answer := s.node.Picture().Check(ask)
	if answer.Verdict == lagguard.CheckNoStore && how.ifExists {
		answer.Verdict, answer.Message = lagguard.CheckPass, ""
	}
	return s.counted(answer)
}

func (s *Server) counted(a lagguard.CheckAnswer) CheckResult {
	s.checks[a.Verdict].Add(1)
	return CheckResult{
		StatusCode: frenoStatus(a.Verdict), Message: a.Message, Value: a.Value.Seconds(), Threshold: a.Threshold.Seconds(),
	}
}

// frenoThrottled lists the applications that a rule holds back.
func (s *Server) frenoThrottled(w http.ResponseWriter, _ *http.Request) {
	apps := map[string]map[string]any{}
	for _, r := range s.look().throttles().Rules {
		apps[r.App] = map[string]any{"Ratio": r.Ratio, "ExpireAt": r.Until}
	}
	writeJSON(w, http.StatusOK, apps)
}

// frenoLeader answers as freno does. Every node answers checks alike, so nobody has
// to be sent to the leader.
func (s *Server) frenoLeader(w http.ResponseWriter, _ *http.Request) {
	leader, ok := s.node.Leader()
	if !ok || leader != s.node.Name() {
		writeJSON(w, http.StatusNotFound, CheckResult{StatusCode: http.StatusNotFound, Message: "not leader"})
		return
	}
	writeJSON(w, http.StatusOK, CheckResult{StatusCode: http.StatusOK, Message: "OK"})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone; nobody to tell
}
