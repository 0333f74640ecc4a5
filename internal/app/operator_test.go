package app_test

import (
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
	tells  string // what is wrong, and where, in status or in the step that mends it

	follows string // or it follows this port again
}

// slips are put right by themselves. m1 owns everything, m3 follows m2 follows m1 follows m3.
// They are what is typed at servers of the run's flavour.
func slips(t *testing.T) []slip {
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		return slipsOfMySQL()
	}
	return []slip{
		{name: "a closed member is opened", tells: "it owns no unit and is not read-only", on: 1, types: "SET GLOBAL read_only=0", within: 5 * time.Second, mended: "@@global.read_only"},
		{name: "the owner is closed", tells: "it owns a unit and is read-only", on: 0, types: "SET GLOBAL read_only=1", within: 5 * time.Second, mended: "NOT @@global.read_only"},
		{name: "a slot is changed", tells: "its auto_increment offset/increment is 1/16, it should be 2/16", on: 1, types: "SET GLOBAL auto_increment_offset=1", within: 5 * time.Second, mended: "@@global.auto_increment_offset=2"},
		{name: "the owner's stride is changed", tells: "its auto_increment offset/increment is 1/1, it should be 1/16", on: 0, types: "SET GLOBAL auto_increment_increment=1", within: 5 * time.Second, mended: "@@global.auto_increment_increment=16 AND NOT @@global.read_only"},
		{name: "the identity is changed", tells: "its server_id is 77", on: 1, types: "SET GLOBAL server_id=77", within: 10 * time.Second, mended: "@@global.server_id=102"},
		{name: "replication is stopped", tells: "its receiver is ", on: 1, types: "STOP SLAVE", within: 5 * time.Second, mended: "(SELECT COUNT(*)=2 FROM information_schema.processlist WHERE command IN ('Slave_IO', 'Slave_SQL'))"},
		{name: "replication is forgotten", tells: "it follows \"\", it should follow m1", on: 1, types: "STOP SLAVE; RESET SLAVE ALL", within: 10 * time.Second, mended: "(SELECT COUNT(*)=2 FROM information_schema.processlist WHERE command IN ('Slave_IO', 'Slave_SQL'))"},
		{name: "another upstream is followed", tells: "@m3\", it should follow m1", on: 1, types: "STOP SLAVE; CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=@m3; START SLAVE", within: 20 * time.Second, follows: "@m1"},
		{name: "the owner follows another upstream", tells: "@m2\", it should follow m3", on: 0, types: "STOP SLAVE; CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=@m2; START SLAVE", within: 20 * time.Second, follows: "@m3"},
		{name: "semi-sync of the owner is switched off", tells: "its commits are not waiting for its acker, and nobody ordered that", on: 0, types: "SET GLOBAL rpl_semi_sync_master_enabled=0", within: 5 * time.Second, mended: "@@global.rpl_semi_sync_master_enabled"},
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
		{name: "a closed member is opened", tells: "it owns no unit and is not read-only", on: 1, types: "SET GLOBAL read_only=0", within: 5 * time.Second, mended: "@@global.read_only"},
		{name: "the owner is closed", tells: "it owns a unit and is read-only", on: 0, types: "SET GLOBAL read_only=1", within: 5 * time.Second, mended: "NOT @@global.read_only"},
		{name: "the owner is closed to all", tells: "it owns a unit and is read-only", on: 0, types: "SET GLOBAL super_read_only=1", within: 5 * time.Second, mended: "NOT @@global.read_only AND NOT @@global.super_read_only"},
		{name: "a slot is changed", tells: "its auto_increment offset/increment is 1/16, it should be 2/16", on: 1, types: "SET GLOBAL auto_increment_offset=1", within: 5 * time.Second, mended: "@@global.auto_increment_offset=2"},
		{name: "the owner's stride is changed", tells: "its auto_increment offset/increment is 1/1, it should be 1/16", on: 0, types: "SET GLOBAL auto_increment_increment=1", within: 5 * time.Second, mended: "@@global.auto_increment_increment=16 AND NOT @@global.read_only"},
		{name: "the identity is changed", tells: "they should be 102 and ", on: 1, types: "SET GLOBAL server_id=77", within: 10 * time.Second, mended: "@@global.server_id=102"},
		{name: "replication is stopped", tells: "its receiver is ", on: 1, types: "STOP REPLICA", within: 5 * time.Second, mended: replicates},
		{name: "half of it is stopped", tells: "its applier stopped", on: 1, types: "STOP REPLICA SQL_THREAD", within: 5 * time.Second, mended: replicates},
		{name: "replication is forgotten", tells: "it follows \"\", it should follow m1", on: 1, types: "STOP REPLICA; RESET REPLICA ALL", within: 10 * time.Second, mended: replicates},
		{name: "another upstream is followed", tells: "@m3\", it should follow m1", on: 1, types: "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=@m3; START REPLICA", within: 20 * time.Second, follows: "@m1"},
		{name: "the owner follows another upstream", tells: "@m2\", it should follow m3", on: 0, types: "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=@m2; START REPLICA", within: 20 * time.Second, follows: "@m3"},
		{name: "semi-sync of the owner is switched off", tells: "its commits are not waiting for its acker, and nobody ordered that", on: 0, types: "SET GLOBAL rpl_semi_sync_source_enabled=0", within: 5 * time.Second, mended: "@@global.rpl_semi_sync_source_enabled"},
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
	what := "member " + server.Name + ": " // or the owner's by its name
	named := slices.ContainsFunc(told, func(line string) bool {
		return strings.Contains(line, what) && strings.Contains(line, r.withPorts(s.tells))
	})
	if took > time.Second && !named { // what is put right at once may be over before status was asked
		t.Errorf("nobody told of %s that %q: %q", server.Name, s.tells, told)
	}
	t.Logf("FIGURE slip     %s: put right after %d ms; told: %q", s.name, took.Milliseconds(), told)
}

// secondCluster has a node of another cluster take the ring's servers: by init, of empty servers
// and from one with data, by an adoption, and into a ring of its own by an add. Each is refused
// by the name of the ring that they belong to, and that one goes on as it was.
func (r *rig) secondCluster(t *testing.T) {
	other := &rig{servers: r.servers, cfg: nodeConfig(t)}
	other.startNode(t)
	request := api.InitRequest{Name: "other", Durability: "semisync", Degraded: "allow", Why: "a slip"}
	for _, s := range r.servers {
		request.Members = append(request.Members, api.InitMember{ID: s.Name, Addr: s.Addr})
	}
	for _, data := range []bool{false, true} {
		request.Data, request.BootsClose = data, data
		if _, err := other.client.InitRing(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		other.refusedAsOfARing(t, "m1")
		if _, err := other.client.AbortOperation(t.Context(), other.status(t).Operation.ID, "it was a slip"); err != nil {
			t.Fatal(err)
		}
		other.untilNoRing(t)
	}
	var problem *api.Problem
	adoption := other.adoptRequest()
	adoption.Name = "other"
	if _, err := other.client.Adopt(t.Context(), adoption, false); !errors.As(err, &problem) || problem.Check != "schema" || !strings.Contains(problem.Detail, `m1 is of the ring "test", of stride 16, by its table of slots`) {
		t.Errorf("an adoption: %v", err)
	}
	other.servers = mysqltest.StartRing(t, 2)
	request.Data, request.BootsClose, request.Members = false, false, nil
	for _, s := range other.servers {
		request.Members = append(request.Members, api.InitMember{ID: s.Name, Addr: s.Addr})
	}
	if _, err := other.client.InitRing(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	other.untilHealthy(t, 30*time.Second)
	theirs := r.servers[2]
	if _, err := other.client.AddMember(t.Context(), api.AddRequest{InitMember: api.InitMember{ID: theirs.Name, Addr: theirs.Addr}, Why: "a slip"}, false); !errors.As(err, &problem) || problem.Check != "ring" || !strings.Contains(problem.Detail, `it is of the ring "test", by its table of slots`) {
		t.Errorf("an add: %v", err)
	}
	other.stopNode(t)
	if st := r.status(t); len(st.Members) != 3 || st.Ring != "test" {
		t.Errorf("the ring that was there: %+v", st)
	}
	r.untilHealthy(t, 20*time.Second)
}

// refusedAsOfARing waits until the node stands still because a member is of the ring "test".
func (r *rig) refusedAsOfARing(t *testing.T, member string) {
	t.Helper()
	want := "stuck: member " + member + ` belongs to a ring: its table of slots is of ring "test", with stride 16; if that ring is gone: `
	eventually(t, 10*time.Second, "it is refused, and says why", func() error {
		if why := r.why(t); !strings.Contains(why, want) {
			return errors.New(why)
		}
		return nil
	})
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
