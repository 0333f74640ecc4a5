package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
)

const initBody = `{"name":"demo","members":[{"id":"m1","addr":"127.0.0.1:1"},{"id":"m2","addr":"127.0.0.1:2"}]}`

// Over TCP nothing is changed, whatever is asked, and the refusal says the fix.
func TestTCPIsReadOnly(t *testing.T) {
	s := serve(t, apitest.NewNode())
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		for _, path := range []string{"/v1/ring/init", "/v1/ring/init?dry_run=true", "/v1/operations/op1/abort", "/v1/status"} {
			status, header, body := s.send(t, request{method: method, path: path, body: initBody})
			if status != http.StatusForbidden || !strings.Contains(body, "--api unix:PATH") {
				t.Errorf("%s %s: %d %s, want 403 with the fix", method, path, status, body)
			}
			if ct := header.Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("%s %s: content type %q", method, path, ct)
			}
		}
	}
	if len(s.node.Asked) != 0 {
		t.Errorf("changes came through: %q", s.node.Asked)
	}
}

// DNS rebinding: a browser that was sent to loopback under another name.
func TestHostMustBeLoopback(t *testing.T) {
	s := serve(t, apitest.NewRing())
	port := strings.TrimPrefix(s.http, "http://127.0.0.1:")
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:" + port: 200, "127.0.0.1": 200, "127.9.9.9:1": 200, "[::1]:" + port: 200, "[::1]": 200, "[::ffff:127.0.0.1]": 200,
		"evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:80": 421, "192.0.2.1": 421, "0.0.0.0": 421, "[::]": 421,
	} {
		for _, path := range []string{"/v1/status", "/metrics", "/openapi.json", "/healthz"} {
			if got, _, body := s.send(t, request{method: http.MethodGet, path: path, host: host}); got != want {
				t.Errorf("GET %s with Host %q: %d, want %d: %.100s", path, host, got, want, body)
			}
		}
	}
}

func TestUnknownPathIsAProblem(t *testing.T) {
	s := serve(t, apitest.NewRing())
	status, _, body := s.send(t, request{method: http.MethodGet, path: "/v1/nonsense"})
	var p api.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	if status != 404 || p.Kind() != api.ProblemNotFound || !strings.Contains(p.Detail, "/openapi.json") {
		t.Errorf("%d %+v", status, p)
	}
	if status, body := s.get(t, "/v1/status?verbose=1"); status != 422 || !strings.Contains(body, "verbose") {
		t.Errorf("an unknown query parameter: %d %s, want 422 that names it", status, body)
	}
	if status, body := s.get(t, "/v1/events?limit=9999"); status != 422 || !strings.Contains(body, "limit") {
		t.Errorf("a limit above the bound: %d %s, want 422 that names it", status, body)
	}
}

// A GET of any documented path leaves the state as it was.
func TestOpenAPIListsEveryRouteAndGETChangesNothing(t *testing.T) {
	node := apitest.NewRing()
	s := serve(t, node)
	before := node.Snapshot()
	_, body := s.get(t, "/openapi.json")
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	known := []string{
		"/v1/status", "/v1/members", "/v1/units", "/v1/lag", "/v1/autoinc", "/v1/operations", "/v1/operations/{id}",
		"/v1/events", "/v1/version", "/v1/ring/init", "/v1/operations/{id}/abort",
		"/v1/topology", "/v1/heal", "/v1/why", "/v1/members/{name}/rejoin", "/v1/operations/{id}/accept-loss",
		"/v1/raft/transfer", "/v1/raft/peers/{node}/remove", "/v1/raft/isolation", "/v1/raft/state", "/v1/tokens", "/v1/tokens/{name}/revoke",
		"/v1/units/{name}/move", "/v1/units/{name}/join", "/v1/units/{name}/pin", "/v1/units/{name}/unpin", "/v1/members/{name}/drain", "/v1/members/{name}/resume", "/v1/members/{name}/reclone",
		"/v1/lag/thresholds", "/v1/throttles", "/v1/throttles/set", "/v1/throttles/clear",
		"/v1/standing", "/v1/events/{seq}/ack", "/v1/hooks", "/v1/hooks/{name}/test", "/v1/silences", "/v1/silences/{id}/end",
		"/v1/gates", "/v1/gates/settings", "/v1/digests", "/v1/accounts", "/v1/accounts/set", "/v1/accounts/clear", "/v1/limits", "/v1/limits/set", "/v1/limits/clear",
		"/v1/history", "/v1/autoinc/verify", "/v1/autoinc/headroom", "/v1/autoinc/plan", "/v1/autoinc/resize", "/v1/autoinc/resize/cancel",
		"/v1/sessions", "/v1/sessions/{id}/kill", "/v1/explain",
		"/v1/members/{name}/remove", "/v1/members/{name}/maintenance", "/v1/ring/dissolve", "/v1/ring/adopt", "/v1/ring/close-direct",
	}
	for _, path := range known {
		methods, ok := doc.Paths[path]
		if !ok {
			t.Errorf("%s is not in the OpenAPI document", path)
			continue
		}
		if _, reads := methods["get"]; reads {
			if status, body := s.get(t, strings.NewReplacer("{id}", "op1", "autoinc/plan", "autoinc/plan?stride=32", "explain", "explain?statement=SELECT+1").Replace(path)); status != 200 {
				t.Errorf("GET %s: %d %s", path, status, body)
			}
		}
	}
	if len(doc.Paths) != len(known)+1 { // GET /v1/raft needs a cluster
		t.Errorf("the document has %d paths, this test knows %d", len(doc.Paths), len(known))
	}
	if node.Snapshot() != before || len(node.Asked) != 0 {
		t.Errorf("reading changed the state: %q", node.Asked)
	}
}
