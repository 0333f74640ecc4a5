package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// slip is something that a person does on a member by hand, past sqlring.
type slip struct {
	name   string
	on     int // which server; 0 owns everything
	types  string
	within time.Duration
	mended string // this is 1 again, at the same server

	follows string // or it follows this port again
}

// slips are put right by themselves. m1 owns everything, m3 follows m2 follows m1 follows m3.
// They are what is typed at servers of the run's flavour.
func slips(t *testing.T) []slip {
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		return slipsOfMySQL()
	}
	return []slip{
		{name: "a closed member is opened", on: 1, types: "SET GLOBAL read_only=0", within: 5 * time.Second, mended: "@@global.read_only"},
		{name: "the owner is closed", on: 0, types: "SET GLOBAL read_only=1", within: 5 * time.Second, mended: "NOT @@global.read_only"},
		{name: "a slot is changed", on: 1, types: "SET GLOBAL auto_increment_offset=1", within: 5 * time.Second, mended: "@@global.auto_increment_offset=2"},
		{name: "the owner's stride is changed", on: 0, types: "SET GLOBAL auto_increment_increment=1", within: 5 * time.Second, mended: "@@global.auto_increment_increment=16 AND NOT @@global.read_only"},
		{name: "the identity is changed", on: 1, types: "SET GLOBAL server_id=77", within: 10 * time.Second, mended: "@@global.server_id=102"},
		{name: "replication is stopped", on: 1, types: "STOP SLAVE", within: 5 * time.Second, mended: "(SELECT COUNT(*)=2 FROM information_schema.processlist WHERE command IN ('Slave_IO', 'Slave_SQL'))"},
		{name: "replication is forgotten", on: 1, types: "STOP SLAVE; RESET SLAVE ALL", within: 10 * time.Second, mended: "(SELECT COUNT(*)=2 FROM information_schema.processlist WHERE command IN ('Slave_IO', 'Slave_SQL'))"},
		{name: "another upstream is followed", on: 1, types: "STOP SLAVE; CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=@m3; START SLAVE", within: 20 * time.Second, follows: "@m1"},
		{name: "the owner follows another upstream", on: 0, types: "STOP SLAVE; CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=@m2; START SLAVE", within: 20 * time.Second, follows: "@m3"},
		{name: "semi-sync of the owner is switched off", on: 0, types: "SET GLOBAL rpl_semi_sync_master_enabled=0", within: 5 * time.Second, mended: "@@global.rpl_semi_sync_master_enabled"},
	}
}

// slipsOfMySQL are slips in the words of MySQL 9.7, which refuses MariaDB's (STOP SLAVE, CHANGE
// MASTER TO, rpl_semi_sync_master_enabled). It has a second lock besides read_only, that
// closes the owner too; at a member that is closed nobody takes it off, and it is none of
// them. gtid_domain_id, of MariaDB, is not there; the other half of a server's identity is
// server_uuid, which nobody can set. RESET BINARY LOGS AND GTIDS has a test of its own
// ([TestBinlogIsEmptiedByHand]), as RESET MASTER has on MariaDB.
func slipsOfMySQL() []slip {
	const replicates = "(SELECT COUNT(*)=1 FROM performance_schema.replication_connection_status c JOIN performance_schema.replication_applier_status a USING (channel_name) WHERE c.service_state='ON' AND a.service_state='ON')"
	return []slip{
		{name: "a closed member is opened", on: 1, types: "SET GLOBAL read_only=0", within: 5 * time.Second, mended: "@@global.read_only"},
		{name: "the owner is closed", on: 0, types: "SET GLOBAL read_only=1", within: 5 * time.Second, mended: "NOT @@global.read_only"},
		{name: "the owner is closed to all", on: 0, types: "SET GLOBAL super_read_only=1", within: 5 * time.Second, mended: "NOT @@global.read_only AND NOT @@global.super_read_only"},
		{name: "a slot is changed", on: 1, types: "SET GLOBAL auto_increment_offset=1", within: 5 * time.Second, mended: "@@global.auto_increment_offset=2"},
		{name: "the owner's stride is changed", on: 0, types: "SET GLOBAL auto_increment_increment=1", within: 5 * time.Second, mended: "@@global.auto_increment_increment=16 AND NOT @@global.read_only"},
		{name: "the identity is changed", on: 1, types: "SET GLOBAL server_id=77", within: 10 * time.Second, mended: "@@global.server_id=102"},
		{name: "replication is stopped", on: 1, types: "STOP REPLICA", within: 5 * time.Second, mended: replicates},
		{name: "half of it is stopped", on: 1, types: "STOP REPLICA SQL_THREAD", within: 5 * time.Second, mended: replicates},
		{name: "replication is forgotten", on: 1, types: "STOP REPLICA; RESET REPLICA ALL", within: 10 * time.Second, mended: replicates},
		{name: "another upstream is followed", on: 1, types: "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=@m3; START REPLICA", within: 20 * time.Second, follows: "@m1"},
		{name: "the owner follows another upstream", on: 0, types: "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=@m2; START REPLICA", within: 20 * time.Second, follows: "@m3"},
		{name: "semi-sync of the owner is switched off", on: 0, types: "SET GLOBAL rpl_semi_sync_source_enabled=0", within: 5 * time.Second, mended: "@@global.rpl_semi_sync_source_enabled"},
	}
}

// TestOperatorErrors does by hand on members what is sqlring's to do, under load: each slip
// is found, named in the step that mends it or in status, and put right; connections
// stay, and nothing is lost or given out twice.
func TestOperatorErrors(t *testing.T) {
	r := startRig(t, 3)
	w := r.startWorkload(t)
	time.Sleep(500 * time.Millisecond)
	typed := slips(t)
	for _, s := range typed {
		t.Run(s.name, func(t *testing.T) { r.slips(t, s) })
	}
	r.secondCluster(t)
	time.Sleep(300 * time.Millisecond)
	w.end()
	r.untilEqual(t, "faults.w", "faults.account", "faults.move")
	for _, s := range r.servers {
		w.account(t, s)
	}
	okN, failedN, unknownN, broken := w.counts()
	t.Logf("FIGURE slips    %d of operators: %d writes acknowledged, %d failed (first: %s), %d unknown, %d connections broken, longest pause of a write %d ms",
		len(typed), okN, failedN, w.firstError(), unknownN, broken, w.longest(time.Time{}).Milliseconds())
	// Who writes at an owner that somebody closes is refused, or not answered; his connection stays.
	if broken > 0 {
		t.Errorf("%d connections broke", broken)
	}
}

// TestMemberClosedToAllIsOpened: a MySQL that owns nothing and that somebody closes even to
// administrators is left so, but it replicates on, and what is moved to it can be written.
func TestMemberClosedToAllIsOpened(t *testing.T) {
	if mysqltest.Flavour(t) != topology.FlavourMySQL {
		t.Skip("ONLY-MYSQL: MariaDB 10.11 has no super_read_only")
	}
	beside(t)
	r := startRig(t, 2)
	db := r.takeoverPool(t)
	to := r.servers[1-r.owner(t)]
	to.Exec(t, "SET GLOBAL super_read_only=1")
	eventually(t, 5*time.Second, "status names it", func() error {
		status, err := r.client.Status(t.Context())
		if err == nil && !strings.Contains(strings.Join(status.Reasons, "; "), to.Name+": super_read_only is on") {
			err = fmt.Errorf("its reasons are %q", status.Reasons)
		}
		return err
	})
	for seq := range 2 {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO card (client, seq) VALUES (1, ?)", seq); err != nil {
			t.Fatal(err)
		}
		if seq == 0 {
			eventually(t, 5*time.Second, "both have it", func() error { return sameRows(t, r, "cards.card") })
			r.move(t, "*", to.Name)
		}
	}
	if got := to.Query(t, "SELECT CONCAT(@@global.read_only, @@global.super_read_only, ' ', COUNT(*)) FROM cards.card"); got != "00 2" {
		t.Errorf("read_only, super_read_only, rows: %s", got)
	}
}

func (r *rig) slips(t *testing.T, s slip) {
	server := r.servers[s.on]
	began := time.Now()
	server.Exec(t, r.withPorts(s.types))
	var told []string // what status and the controller said meanwhile
	eventually(t, s.within, s.name+": it is put right", func() error {
		status, err := r.client.Status(t.Context())
		if err != nil {
			return err
		}
		told = append(told, status.Reasons...)
		if status.Step != nil && status.Step.Kind != "idle" {
			told = append(told, status.Step.Why)
		}
		if s.follows != "" {
			if port := upstreamPort(t, server); port != r.withPorts(s.follows) {
				return fmt.Errorf("it follows port %s: %s", port, r.why(t))
			}
			return nil
		}
		var got string // the connection may be ended: it is one of an application
		if err := server.DB().QueryRowContext(t.Context(), "SELECT "+s.mended).Scan(&got); err != nil || got != "1" {
			return fmt.Errorf("%s is %q (%v): %s", s.mended, got, err, r.why(t))
		}
		return nil
	})
	took := time.Since(began)
	r.untilHealthy(t, 30*time.Second)
	t.Logf("FIGURE slip     %s: put right after %d ms; told: %q", s.name, took.Milliseconds(), told)
}

// secondCluster has another node, of another cluster, make a ring of the same servers: it
// is refused by what they hold, and the ring goes on as it was.
func (r *rig) secondCluster(t *testing.T) {
	other := &rig{servers: r.servers, cfg: nodeConfig(t)}
	other.startNode(t)
	defer other.stopNode(t)
	request := api.InitRequest{Name: "other", Durability: "semisync", Degraded: "allow", Why: "a slip"}
	for _, s := range r.servers {
		request.Members = append(request.Members, api.InitMember{ID: s.Name, Addr: s.Addr})
	}
	if _, err := other.client.InitRing(t.Context(), request); err != nil {
		t.Logf("it is refused: %v", err)
		return
	}
	eventually(t, 10*time.Second, "it is refused, and says why", func() error {
		if why := other.why(t); !strings.Contains(why, "stuck: ") {
			return errors.New(why)
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if st, err := r.client.Status(ctx); err != nil || len(st.Members) != 3 {
		t.Errorf("the ring that was there: %+v, %v", st, err)
	}
	t.Logf("a second cluster: %s", other.why(t))
	r.untilHealthy(t, 20*time.Second)
}

// withPorts puts the ports of the members in the place of @m1, @m2 and so on.
func (r *rig) withPorts(text string) string {
	for _, s := range r.servers {
		_, port, _ := net.SplitHostPort(s.Addr)
		text = strings.ReplaceAll(text, "@"+s.Name, port)
	}
	return text
}

// upstreamPort is the port of the server that s follows.
func upstreamPort(t *testing.T, s *mysqltest.Server) (port string) {
	t.Helper()
	rows, err := s.DB().QueryContext(t.Context(), mysqltest.Words(t, "SHOW SLAVE STATUS"))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = rows.Close() }()
	names, _ := rows.Columns()
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		port = values[slices.IndexFunc(names, func(name string) bool { return name == "Master_Port" || name == "Source_Port" })].String
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return port
}
