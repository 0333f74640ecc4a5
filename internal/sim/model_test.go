package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// pair is two linked servers, m2 pulling from m1, without nodes or clients.
func pair(t *testing.T) (w *World, up, down *server) {
	t.Helper()
	w = newWorld(Options{Seed: 1, Members: 2})
	if err := w.log.init(w.opt); err != nil {
		t.Fatal(err)
	}
	up, down = w.servers[0], w.servers[1]
	for i, s := range w.servers {
		s.mem.serverID, s.mem.domain = uint32(101+i), uint32(101+i)
		s.mem.layout = autoinc.Layout{Offset: i + 1, Stride: 16}
		s.mem.readOnly = false
		s.mem.settings.IgnoreDuplicates, s.mem.settings.AckerEnabled = true, true
	}
	down.disk.upstream = up.addr
	down.startApplier()
	down.startReceiver()
	w.runUntil(time.Second)
	return w, up, down
}

// send begins an insert on s, and returns where its answer will stand.
func send(w *World, s *server, seq int) *reply {
	c := &conn{from: "n1", s: s, proc: s.proc, app: true, serverID: s.mem.serverID, domain: s.mem.domain, layout: s.mem.layout}
	got := &reply{err: errSilent}
	t := &txn{key: writeKey{0, seq}, reg: -1}
	c.call(time.Hour, func(respond func(reply)) { s.insert(c, t, respond) }, func(r reply) { *got = r })
	return got
}

func rows(s *server) int { return len(s.disk.data.rows) }

func TestReplicationCarriesRows(t *testing.T) {
	w, up, down := pair(t)
	for i := range 5 {
		send(w, up, i)
	}
	w.runUntil(2 * time.Second)
	if rows(up) != 5 || rows(down) != 5 || !up.disk.data.equal(&down.disk.data) {
		t.Errorf("rows %d and %d, want 5 and the same", rows(up), rows(down))
	}
}

// The measured table of what becomes of 20 received transactions whose applier
// is held while their source dies.
func TestRelayLogVanishes(t *testing.T) {
	tests := []struct {
		name string
		do   func(*World, *server)
		lost bool
	}{
		{"stop io, release", func(_ *World, d *server) { d.stopReceiver(func() {}) }, false},
		{"stop io, start io", func(_ *World, d *server) { d.stopReceiver(d.startReceiver) }, false},
		{"stop sql, start sql", func(_ *World, d *server) { d.stopApplier(d.startApplier) }, false},
		{"stop both, start both", func(_ *World, d *server) {
			d.stopReceiver(func() { d.stopApplier(func() { d.startReceiver(); d.startApplier() }) })
		}, true},
		{"stop both, start sql", func(_ *World, d *server) {
			d.stopReceiver(func() { d.stopApplier(d.startApplier) })
		}, true},
		{"kill, restart, start both", func(_ *World, d *server) { d.kill(); d.boot(); d.startApplier(); d.startReceiver() }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, up, down := pair(t)
			down.mem.applier.state = topology.ThreadStopped // held before it took one
			for i := range 20 {
				send(w, up, i)
			}
			w.runUntil(2 * time.Second)
			if n := len(down.mem.applier.relay); n != 20 {
				t.Fatalf("%d received, want 20", n)
			}
			up.kill()
			down.mem.applier.state = topology.ThreadRunning
			tt.do(w, down)
			down.apply()
			w.runUntil(10 * time.Second)
			if got := rows(down); (got < 20) != tt.lost {
				t.Errorf("%d of 20 rows survive, lost should be %t", got, tt.lost)
			}
		})
	}
}

func TestArmedCommitWaitsForItsAcker(t *testing.T) {
	w, up, down := pair(t)
	up.mem.semi = true
	first := send(w, up, 1)
	w.runUntil(2 * time.Second)
	if first.err != nil {
		t.Fatalf("with an acker: %v", first.err)
	}
	down.kill()
	second := send(w, up, 2)
	w.runUntil(20 * time.Second)
	if second.err != errSilent || rows(up) != 1 || len(up.disk.binlog) != 2 {
		t.Fatalf("without: answer %v, %d rows, %d in the binlog; want none, 1 and 2", second.err, rows(up), len(up.disk.binlog))
	}
	up.disarm()
	w.runUntil(21 * time.Second)
	if second.err != nil || rows(up) != 2 {
		t.Errorf("after disarm: answer %v, %d rows", second.err, rows(up))
	}
}

// A crash keeps what waits in the binlog, and nobody has seen it before.
func TestCrashKeepsTheTail(t *testing.T) {
	w, up, down := pair(t)
	up.mem.semi = true
	down.kill()
	send(w, up, 1)
	w.runUntil(2 * time.Second)
	up.kill()
	up.boot()
	if rows(up) != 1 || up.mem.semi || !up.mem.readOnly || up.mem.boot != 0 || up.mem.serverID != up.file.serverID {
		t.Errorf("after the restart: %d rows, memory %+v; want the row, and a closed server that knows nothing", rows(up), up.mem)
	}
}

// An acker that was ahead when it connected leaves its upstream waiting.
func TestAckerAheadNeverAcks(t *testing.T) {
	w, up, down := pair(t)
	foreign := &txn{gtid: topology.GTID{Domain: 103, Server: 103, Seq: 1}, key: writeKey{9, 1}, reg: -1}
	down.stopReceiver(func() {})
	w.runUntil(2 * time.Second)
	down.disk.slavePos = down.disk.slavePos.With(foreign.gtid)
	down.mem.receiver.received = down.disk.slavePos
	down.startReceiver()
	w.runUntil(3 * time.Second)
	up.mem.semi = true
	up.mem.applier.state = topology.ThreadRunning
	up.mem.applier.relay = []*txn{foreign}
	up.apply()
	w.runUntil(time.Minute)
	if rows(up) != 0 || !up.mem.applier.busy {
		t.Fatal("the applier did not wait")
	}
	send(w, up, 1) // its acknowledgement frees the one before
	w.runUntil(2 * time.Minute)
	if rows(up) != 2 {
		t.Errorf("%d rows, want 2", rows(up))
	}
}

func TestReadOnlyWaitsBehindWaitingCommits(t *testing.T) {
	w, up, down := pair(t)
	up.mem.semi = true
	down.kill()
	send(w, up, 1)
	w.runUntil(2 * time.Second)
	result := errSilent
	up.shut(nil, func(err error) { result = err })
	behind := send(w, up, 2)
	w.runUntil(3 * time.Second)
	if result != errSilent || len(up.mem.gated) != 1 {
		t.Fatalf("SET read_only: %v with %d commits behind it, want it to wait, and 1", result, len(up.mem.gated))
	}
	w.runUntil(5 * time.Second)
	if result != errLockWait || up.mem.readOnly {
		t.Fatalf("after 2 s: %v, read_only %t", result, up.mem.readOnly)
	}
	up.shut(nil, func(err error) { result = err })
	up.disarm()
	w.runUntil(6 * time.Second)
	if result != nil || !up.mem.readOnly {
		t.Errorf("after disarm: %v, read_only %t (the one behind: %v)", result, up.mem.readOnly, behind.err)
	}
	up.mem.semi, result = true, errSilent
	up.mem.commits = append(up.mem.commits, &commit{stage: stageWaiting})
	if up.shut(nil, func(err error) { result = err }); result != nil {
		t.Errorf("closed again behind a commit that waits: %v, want it at once", result)
	}
}

// What was sent to a frozen server runs when it goes on, whoever has given up.
func TestFrozenServerRunsWhatWasSent(t *testing.T) {
	w, up, _ := pair(t)
	up.freeze()
	got := send(w, up, 1)
	w.runUntil(10 * time.Second)
	if got.err != errSilent || rows(up) != 0 {
		t.Fatalf("while frozen: %v, %d rows", got.err, rows(up))
	}
	up.thaw()
	w.runUntil(11 * time.Second)
	if rows(up) != 1 {
		t.Errorf("%d rows after the thaw, want 1", rows(up))
	}
}

// A receiver notices a silent source after the network timeout, a dead one at
// once.
func TestReceiverLosesItsSource(t *testing.T) {
	w, up, down := pair(t)
	up.freeze()
	w.runUntil(2 * time.Second)
	if down.mem.receiver.state != topology.ThreadRunning {
		t.Fatal("1 s of silence is no timeout")
	}
	w.runUntil(4 * time.Second)
	if down.mem.receiver.state != topology.ThreadConnecting {
		t.Fatalf("after 3 s of silence: %s", down.mem.receiver.state)
	}
	up.thaw()
	w.runUntil(8 * time.Second)
	if down.mem.receiver.state != topology.ThreadRunning {
		t.Fatalf("after the thaw: %s", down.mem.receiver.state)
	}
	up.kill()
	w.runUntil(8100 * time.Millisecond)
	if down.mem.receiver.state != topology.ThreadConnecting {
		t.Errorf("after the kill: %s", down.mem.receiver.state)
	}
}

// The hands of a later term cannot be crossed by an earlier one.
func TestHandsOfAnEarlierTermAreDead(t *testing.T) {
	w, up, _ := pair(t)
	old := &conn{from: "n1", s: up, proc: up.proc}
	fresh := &conn{from: "n1", s: up, proc: up.proc}
	up.seize(old, 1, func(error) {})
	up.seize(fresh, 2, func(error) {})
	var got reply
	old.call(time.Second, func(respond func(reply)) { up.mem.readOnly = true; respond(reply{}) }, func(r reply) { got = r })
	w.runUntil(2 * time.Second)
	if got.err == nil || up.mem.readOnly {
		t.Errorf("the old hands acted: %v, read_only %t", got.err, up.mem.readOnly)
	}
	late := &conn{from: "n1", s: up, proc: up.proc}
	var err error
	up.seize(late, 1, func(e error) { err = e })
	if err == nil {
		t.Error("an earlier term took the hands back")
	}
}

func TestNextID(t *testing.T) {
	tests := []struct {
		last uint64
		l    autoinc.Layout
		want uint64
	}{
		{0, autoinc.Layout{Offset: 1, Stride: 16}, 1},
		{0, autoinc.Layout{Offset: 3, Stride: 16}, 3},
		{3, autoinc.Layout{Offset: 3, Stride: 16}, 19},
		{4, autoinc.Layout{Offset: 3, Stride: 16}, 19},
		{18, autoinc.Layout{Offset: 3, Stride: 16}, 19},
		{5, autoinc.Layout{Offset: 1, Stride: 1}, 6},
	}
	for _, tt := range tests {
		if got := nextID(tt.last, tt.l); got != tt.want {
			t.Errorf("nextID(%d, %s) = %d, want %d", tt.last, tt.l, got, tt.want)
		}
	}
}

// overwrite is send of a write to one register.
func overwrite(w *World, s *server, seq, reg int) (*conn, *reply) {
	c := &conn{from: "n1", s: s, proc: s.proc, app: true, serverID: s.mem.serverID, domain: s.mem.domain, layout: s.mem.layout}
	got := &reply{err: errSilent}
	t := &txn{key: writeKey{0, seq}, reg: reg}
	c.call(time.Hour, func(respond func(reply)) { s.insert(c, t, respond) }, func(r reply) { *got = r })
	return c, got
}

// A row is held by who overwrites it until that is visible (TestARowIsHeldWhileItsCommitWaits
// of internal/mysqld measures it).
func TestRowsAreLockedUntilTheirCommitIsVisible(t *testing.T) {
	w, up, down := pair(t)
	up.mem.semi = true
	down.kill()
	first, _ := overwrite(w, up, 1, 2)
	w.runUntil(2 * time.Second)
	second, killed := overwrite(w, up, 2, 2)
	_, third := overwrite(w, up, 3, 2)
	_, other := overwrite(w, up, 4, 3)
	w.runUntil(3 * time.Second)
	if len(up.disk.binlog) != 2 || up.disk.binlog[1].key.seq != 4 || rows(up) != 0 {
		t.Fatalf("%d in the binlog, %d rows visible; want the first write and that of another row, and none", len(up.disk.binlog), rows(up))
	}
	up.killConn(second)
	w.runUntil(4 * time.Second)
	if killed.err != errLost || len(up.disk.binlog) != 2 {
		t.Fatalf("the one that waits for the row and is ended: %v, %d in the binlog; want %v, and 2", killed.err, len(up.disk.binlog), errLost)
	}
	up.killConn(first)
	w.runUntil(5 * time.Second)
	if up.disk.data.regs[2].seq != 1 || len(up.disk.binlog) != 3 || up.disk.binlog[2].key.seq != 3 {
		t.Fatalf("the first one is ended: the row is %v, %d in the binlog; want the first one's, and the third one's besides", up.disk.data.regs[2], len(up.disk.binlog))
	}
	up.disarm()
	w.runUntil(6 * time.Second)
	if third.err != nil || other.err != nil || up.disk.data.regs[2].seq != 3 || len(up.mem.commits) != 0 {
		t.Errorf("after disarm: %v and %v, the row is %v, %d commits under way", third.err, other.err, up.disk.data.regs[2], len(up.mem.commits))
	}
}

// The end of a fault ends no other one: a freeze that was cut short by a kill says
// nothing of a cut that came later (seed 801928), nor does the end of a kill.
func TestFaultsEndEachForItself(t *testing.T) {
	w, _, s := pair(t)
	n := w.nemesis
	n.freeze(s, 5*time.Second) // to 6 s
	w.runUntil(2 * time.Second)
	n.crash(s, false)
	if len(s.ailments) != 1 {
		t.Fatalf("killed while it was frozen: %d faults in force, want 1", len(s.ailments))
	}
	for _, other := range slices.Clone(s.ailments) {
		s.cured(other)
	}
	s.boot()
	w.runUntil(4 * time.Second)
	cut := s.ails() // as when sites are parted, from 4 s
	w.runUntil(5 * time.Second)
	n.crash(s, false) // up again within 8 s
	w.runUntil(20 * time.Second)
	if !s.ailing() || !s.ailingFor(15*time.Second) || len(s.ailments) != 1 {
		t.Errorf("at 20 s %d faults are in force, want the cut of 4 s alone", len(s.ailments))
	}
	s.well(cut)
	if s.ailing() || s.lostAt != w.now {
		t.Errorf("after the cut: ailing %t, lost last at %s; want not, and %s", s.ailing(), s.lostAt, w.now)
	}
	n.freeze(s, 5*time.Second)
	w.runUntil(26 * time.Second)
	if s.ailing() || s.power != running {
		t.Errorf("after a freeze: ailing %t, power %d", s.ailing(), s.power)
	}
}
