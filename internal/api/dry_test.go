package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
)

// A node of a release without these dry runs passes over a query that it does not know, and
// would carry out what is only to be checked. What it does not know in a body it refuses.
func TestChecksThatAnEarlierReleaseRefuses(t *testing.T) {
	var asked []string
	earlier := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+string(body))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"tokens":[]}`)
	}))
	t.Cleanup(earlier.Close)
	c := client(t, earlier.URL)
	defer c.Close()
	_, aborted := c.CheckAbort(t.Context(), "op1")
	for _, err := range []error{
		aborted, c.CheckTransfer(t.Context(), "n2"), c.CheckRemoveNode(t.Context(), "n2"), c.CheckIsolation(t.Context(), "fence"),
		c.CreateToken(t.Context(), api.TokenRequest{Name: "backup", Role: "viewer"}, true),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := c.CheckRevoke(t.Context(), "backup"); problemOf(t, err).Kind() != api.ProblemRefused {
		t.Error(err)
	}
	if len(asked) != 6 || slices.ContainsFunc(asked, func(a string) bool { return !strings.HasPrefix(a, "GET") && !strings.Contains(a, `"dry_run":true`) }) {
		t.Errorf("asked %q", asked)
	}
}

// An add that is aborted is turned back, and says so, in the dry run too.
func TestAbortOfAnAddTurnsItBack(t *testing.T) {
	s := serve(t, apitest.NewRing())
	req := api.AddRequest{}
	req.ID, req.Addr = "m3", "127.0.0.1:13303"
	if _, err := s.unix.AddMember(t.Context(), req, false); err != nil {
		t.Fatal(err)
	}
	op, err := s.unix.Status(t.Context())
	if err != nil || op.Operation == nil {
		t.Fatalf("%+v, %v", op, err)
	}
	id, asked := op.Operation.ID, len(s.node.Asked)
	would, err := s.unix.CheckAbort(t.Context(), id)
	if err != nil || would.State != "running" || would.Cursor != "back" || len(s.node.Asked) != asked {
		t.Errorf("it would be %s at %q, asked %d: %v", would.State, would.Cursor, len(s.node.Asked)-asked, err)
	}
	if is, err := s.unix.AbortOperation(t.Context(), id, ""); err != nil || is.State != "running" || is.Cursor != "back" {
		t.Errorf("it is %s at %q: %v", is.State, is.Cursor, err)
	}
}
