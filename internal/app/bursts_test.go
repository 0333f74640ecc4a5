package app_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
)

// TestSaturationIsTold: of three nodes it is the proxy of one that does not lead at which a
// member is saturated. That is told to hooks by the node that leads: that people wait, that
// some of them get an error, and when it is over what became of them. What an account asks
// for by default holds at that node too.
func TestSaturationIsTold(t *testing.T) {
	beside(t)
	in := startReceiver(t)
	n := startNodesWith(t, func(c *app.Config) {
		c.Hooks = []app.HookConfig{{Name: "tells", Type: "webhook", URL: in.URL, Match: []string{"gate/*"}, Severity: "info"}}
	}, "voter", "voter", "voter")
	n.nodes[0].untilOpen(t)
	lead := n.leader(t)
	via := n.nodes[(lead+1)%3]
	one, longest := 1, int64(4000)
	set := func(r api.GateSetRequest) {
		t.Helper()
		eventually(t, 10*time.Second, "the gates are set", func() error {
			_, err := n.nodes[lead].client.SetGates(t.Context(), r, false)
			return err
		})
	}
	if _, err := n.nodes[lead].client.SetAccount(t.Context(), api.AccountRequest{Account: n.servers[0].RootUser, Priority: "normal", DeadlineMS: 2500}, false); err != nil {
		t.Fatal(err)
	}
	set(api.GateSetRequest{Floor: &one, Ceiling: &one, MaxWaitMS: &longest})
	db := via.pool(t, nil)
	holder := conn(t, db)
	eventually(t, 10*time.Second, "the settings have come to the node", func() error {
		if _, err := holder.ExecContext(t.Context(), "CREATE DATABASE IF NOT EXISTS shop"); err != nil {
			return err
		}
		r, err := via.client.Gates(t.Context())
		if err == nil && (len(r.Gates) == 0 || r.Gates[0].Limit != 1) {
			err = fmt.Errorf("%+v", r.Gates)
		}
		return err
	})
	if _, err := holder.ExecContext(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var late sync.WaitGroup
	for range 3 { // they find out that it is no use after 2.5 s, as their account has it
		waiter := conn(t, db)
		late.Go(func() {
			_, err := waiter.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS shop.never (a INT)")
			var told *mysql.MySQLError
			if took := time.Since(began); !errors.As(err, &told) || told.Number != 1041 || took < 2*time.Second || took > 12*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
	key := fmt.Sprintf("test/gate/%s@%s ", n.owner(t, via).Name, via.cfg.Node)
	first := in.once(t, 15*time.Second, key+"saturated firing")
	t.Logf("FIGURE saturation of a node that does not lead: a webhook has it %d ms after people began to wait", first.at.Sub(began).Milliseconds())
	if string(first.Node) != string(n.nodes[lead].cfg.Node) || first.Severity.String() != "warning" || first.Member == "" {
		t.Errorf("%+v", first.Message)
	}
	late.Wait()
	sheds := in.once(t, 15*time.Second, key+"shedding firing")
	if !strings.Contains(sheds.What, "instead of a place: deadline ") {
		t.Errorf("%+v", sheds.Message)
	}
	if _, err := holder.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	over := in.once(t, 30*time.Second, key+"open resolved")
	if !strings.Contains(over.What, "3 statements waited, 3 got an error instead of a place") {
		t.Errorf("%+v", over.Message)
	}
	list, err := via.client.Digests(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	var waited bool
	for _, d := range list.Digests {
		if strings.Contains(d.Text, "never") {
			waited = d.Waits == 3 && d.Shed == 3 && d.WaitMS > 6000 && d.Statements == 0
		}
	}
	if !waited {
		t.Errorf("what waited, and was never at the member: %+v", list.Digests)
	}
}
