package mysqld_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// pulls lets somebody who is no member pull from n, from where it is now on, and
// returns how to end that. With acks it acknowledges.
func (n *node) pulls(t *testing.T, id uint32, acks bool) (end func()) {
	t.Helper()
	host, port, err := net.SplitHostPort(n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	flavour := gomysql.MariaDBFlavor
	if isMySQL(t) {
		flavour = gomysql.MySQLFlavor
	}
	syncer := replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: id, Flavor: flavour, Host: host, Port: uint16(number),
		User: mysqltest.Manager, Password: mysqltest.ManagerPassword, Localhost: "stranger",
		SemiSyncEnabled: acks, DisableRetrySync: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	start, err := gomysql.ParseGTIDSet(flavour, n.see(t).Binlog.String())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := syncer.StartSyncGTID(start)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := stream.GetEvent(ctx); err != nil {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
		syncer.Close()
	}
}

func (n *node) pulledBy(t *testing.T, ackers int, ids ...uint32) {
	t.Helper()
	n.eventually(t, "who pulls from it", func(o topology.Observation) bool {
		return o.SemiSync.Ackers == ackers && slices.Equal(o.SemiSync.Replicas, ids)
	})
}

func TestReplicasAreListedStrangersToo(t *testing.T) {
	up, down := pair(t)
	up.do(t, kind(topology.ActArm))
	up.pulledBy(t, 1, 102)
	if o := down.see(t); len(o.SemiSync.Replicas) != 0 || !o.SemiSync.Acking {
		t.Errorf("the acker's own is %+v", o.SemiSync)
	}

	reader := up.pulls(t, 7, false) // pulls, and acknowledges nothing
	up.pulledBy(t, 1, 7, 102)
	stranger := up.pulls(t, 4000000000, true)
	up.pulledBy(t, 2, 7, 102, 4000000000)
	reader()
	up.pulledBy(t, 2, 102, 4000000000)

	// Its acker goes: armed as before, by a stranger alone.
	down.do(t, kind(topology.ActStopReceiver))
	up.pulledBy(t, 1, 4000000000)
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	if o := up.see(t); !o.SemiSync.On || o.SemiSync.Waiting != 0 {
		t.Errorf("semi-sync is %+v", o.SemiSync)
	}
	stranger()
	up.pulledBy(t, 0)
	down.do(t, follow(up))
	up.pulledBy(t, 1, 102)
}

func TestReplicasOfARenewedIdentityAndOfALink(t *testing.T) {
	up, down := pair(t)
	up.pulledBy(t, 1, 102)
	a := follow(up)
	a.Acker = false // linked, and does not acknowledge: listed all the same
	down.do(t, a)
	up.pulledBy(t, 0, 102)
	down.do(t, kind(topology.ActStopReceiver))
	up.pulledBy(t, 0)
	down.Exec(t, "STOP SLAVE")
	renewed := down.prepare()
	renewed.Identity, renewed.Retired, renewed.Fresh = 302, []uint32{102}, false
	down.do(t, renewed)
	down.identity = 302
	down.do(t, follow(up))
	up.pulledBy(t, 1, 302)
}

func TestReplicasAreToldWhileCommitsHangAndTheAckerIsFrozen(t *testing.T) {
	up, down := pair(t)
	up.do(t, kind(topology.ActArm))
	down.Freeze()
	defer down.Thaw()
	answer := up.write(t)
	began := time.Now()
	o := up.see(t)
	// A frozen acker is still connected: the list says who, not whether it is well.
	if o.SemiSync.Waiting != 1 || o.SemiSync.Ackers != 1 || !slices.Equal(o.SemiSync.Replicas, []uint32{102}) {
		t.Errorf("semi-sync is %+v", o.SemiSync)
	}
	if took := time.Since(began); took > 200*time.Millisecond {
		t.Errorf("the probe took %v", took)
	}
	up.do(t, kind(topology.ActDisarm))
	if err := <-answer; err != nil {
		t.Error(err)
	}
}
