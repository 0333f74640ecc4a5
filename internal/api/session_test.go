package api_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/internal/authority"
)

// Sessions are the node's that is asked, whoever leads: a kill is not the leader's affair.
// It is for operators, looking is for viewers.
func TestSessionsAreTheNodesOwn(t *testing.T) {
	node := apitest.NewRing()
	node.Edit(func(n *apitest.Node) { n.Leading, n.Clients = "n2", apitest.SomeClients() })
	cluster := &fakeCluster{answer: func(api.Forwarded) (api.Answered, error) { return api.Answered{}, api.ErrNotReached }}
	addr, files := overTLS(t, node, cluster)
	as := func(role authority.Role) *api.Client {
		secure, err := files("ann", role).ClientTLS()
		if err != nil {
			t.Fatal(err)
		}
		c, err := api.NewClientAs(addr, api.Access{TLS: secure})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	viewer, operator := as(authority.RoleViewer), as(authority.RoleOperator)
	list, err := viewer.Sessions(t.Context(), api.SessionFilter{})
	if err != nil || list.Node != "n1" || list.Total != 4 || len(list.Sessions) != 4 || list.Left != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	id := list.Sessions[0].ID
	_, err = viewer.Kill(t.Context(), id, api.KillRequest{}, false)
	wantStatus(t, "a viewer kills", err, http.StatusForbidden)
	plan, err := operator.Kill(t.Context(), id, api.KillRequest{}, true)
	if err != nil || plan.Done || plan.Session.ID != id || len(node.Sessions()) != 4 {
		t.Errorf("dry run: %+v, %v", plan, err)
	}
	if plan, err = operator.Kill(t.Context(), id, api.KillRequest{Why: "a test"}, false); err != nil || !plan.Done || len(node.Sessions()) != 3 {
		t.Errorf("%+v, %v", plan, err)
	}
	_, err = operator.Kill(t.Context(), id, api.KillRequest{}, false)
	if p := problemOf(t, err); p.Status != http.StatusNotFound || p.Kind() != api.ProblemNotFound {
		t.Errorf("again: %+v", p)
	}
	if len(cluster.forwarded) != 0 {
		t.Errorf("the leader was asked: %v", cluster.forwarded)
	}
}

func TestSessionFilters(t *testing.T) {
	node := apitest.NewRing()
	node.Edit(func(n *apitest.Node) { n.Clients = apitest.SomeClients() })
	s := serve(t, node)
	const first = 1073741825
	for name, tt := range map[string]struct {
		filter api.SessionFilter
		want   []uint32
		left   int
	}{
		"all":            {api.SessionFilter{}, []uint32{first, first + 1, first + 2, first + 3}, 0},
		"account":        {api.SessionFilter{Account: "web"}, []uint32{first, first + 1}, 0},
		"member":         {api.SessionFilter{Member: "m2"}, []uint32{first + 1}, 0},
		"state":          {api.SessionFilter{State: "waits"}, []uint32{first + 2}, 0},
		"pinned":         {api.SessionFilter{Pinned: true}, []uint32{first}, 0},
		"older":          {api.SessionFilter{OlderMS: 60_000}, []uint32{first, first + 1}, 0},
		"several":        {api.SessionFilter{Account: "web", OlderMS: 600_000}, []uint32{first}, 0},
		"the two oldest": {api.SessionFilter{Limit: 2}, []uint32{first, first + 1}, 2},
		"nobody":         {api.SessionFilter{Account: "x"}, nil, 0},
	} {
		list, err := s.unix.Sessions(t.Context(), tt.filter)
		var got []uint32
		for _, one := range list.Sessions {
			got = append(got, one.ID)
		}
		if err != nil || !slices.Equal(got, tt.want) || list.Left != tt.left {
			t.Errorf("%s: %v, %d left out, %v; want %v", name, got, list.Left, err, tt.want)
		}
	}
	if status, body := s.get(t, "/v1/sessions?limit=-1"); status != http.StatusUnprocessableEntity {
		t.Errorf("a limit of -1: %d %s", status, body)
	}
}
