package app_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
)

// The node lists the sessions of its proxy, and ends them.
func TestSessionsAreListedAndKilled(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	db := r.pool(t, nil)
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE shop"); err != nil {
		t.Fatal(err)
	}
	idle, busy := conn(t, db), conn(t, db)
	var idleID, busyID uint32
	if err := idle.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&idleID); err != nil {
		t.Fatal(err)
	}
	if err := busy.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&busyID); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"USE shop", "SET @a=1", "BEGIN"} {
		if _, err := idle.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { _, err := busy.ExecContext(t.Context(), "DO SLEEP(60)"); done <- err }()
	sessionOf := func(id uint32) (one api.Session, there bool) {
		list, err := r.client.Sessions(t.Context(), api.SessionFilter{Limit: 20000})
		if err != nil {
			t.Fatal(err)
		}
		for _, one = range list.Sessions {
			if one.ID == id {
				return one, true
			}
		}
		return one, false
	}
	eventually(t, 10*time.Second, "it sleeps", func() error {
		if one, _ := sessionOf(busyID); one.State != "runs" || one.Doing != "DO `SLEEP` (?)" {
			return errors.New(one.State + ": " + one.Doing)
		}
		return nil
	})
	if one, _ := sessionOf(idleID); one.State != "idle" || one.Schema != "shop" || !one.Transaction || len(one.Keeps) < 2 || one.Member != "m1" || one.Account == "" {
		t.Errorf("%+v", one)
	}
	if _, err := r.client.Kill(t.Context(), idleID, api.KillRequest{Query: true}, false); err == nil {
		t.Error("an idle session's query was killed")
	}
	if plan, err := r.client.Kill(t.Context(), busyID, api.KillRequest{Query: true}, false); err != nil || !plan.Done {
		t.Errorf("%+v, %v", plan, err)
	}
	<-done
	if one, there := sessionOf(busyID); !there || one.State != "idle" {
		t.Errorf("the session whose query was killed: %+v", one)
	}
	if plan, err := r.client.Kill(t.Context(), idleID, api.KillRequest{}, false); err != nil || !plan.Done {
		t.Errorf("%+v, %v", plan, err)
	}
	if _, there := sessionOf(idleID); there {
		t.Error("the session that was killed is listed")
	}
	if _, err := idle.ExecContext(t.Context(), "DO 1"); err == nil {
		t.Error("its client goes on")
	}
	read, err := r.client.Explain(t.Context(), api.RouteQuery{Statement: "SELECT a FROM t WHERE id=7", Account: "root", Schema: "shop"})
	if err != nil || !read.Spreads || len(read.Candidates) != 2 || read.Consistency != "account" || read.Need == "" || read.Node != "n1" || read.Refused {
		t.Errorf("a read: %+v, %v", read, err)
	}
	write, err := r.client.Explain(t.Context(), api.RouteQuery{Statement: "UPDATE shop.t SET a=1"})
	if err != nil || write.GoesTo != "m1" || len(write.Units) != 1 || write.Units[0].Owner != "m1" || write.Parts[0].Tables[0] != "shop.t (written)" {
		t.Errorf("a write: %+v, %v", write, err)
	}
}
