package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// power is what a process does.
type power uint8

const (
	running power = iota
	frozen        // SIGSTOP: its sockets stay open and fill
	dead
)

// server is a model of one MariaDB: a disk that survives, a memory that does not.
type server struct {
	w    *World
	id   topology.MemberID
	addr string

	power power
	proc  int // counts its processes
	disk  disk
	file  identity
	mem   memory

	inbox   []func() // what reached it while it was frozen
	pending []*call  // statements whose answer has not been sent

	ailments  []*ailment    // the faults of this member that are in force
	lostAt    time.Duration // when it was lost last
	opened    time.Duration // when somebody has opened it by hand last
	doubtedAt time.Duration // when neither the leader nor a neighbour was known to reach it last
}

// identity is what a config file gives each process: the server's defaults, if it says nothing.
type identity struct {
	serverID, domain uint32
	layout           autoinc.Layout
}

// memory is what a process knows: everything that SQL has set, and its threads.
type memory struct {
	serverID, domain uint32
	layout           autoinc.Layout
	renewed          renewal
	readOnly         bool
	boot             uint64 // the token
	settings         topology.Settings
	semi             bool // rpl_semi_sync_master_enabled
	scheduler        topology.Scheduler
	counter          uint64

	commits []*commit // begun and not ended, in order
	gated   []*commit // behind a SET read_only that waits
	closing *closing

	dumps    []*dump // one for each server that pulls from it
	receiver receiver
	applier  applier

	hands  *conn // who holds GET_LOCK('sqlring_hands')
	copier *conn // who holds GET_LOCK('sqlring_copy')
	term   uint64

	replayer *conn // who holds GET_LOCK('sqlring_replay')
	conns    []*conn

	lastConn uint64 // id of the newest connection
}

func newServer(w *World, i int) *server {
	s := &server{
		w: w, id: topology.MemberID(fmt.Sprintf("m%d", i+1)), addr: fmt.Sprintf("10.0.0.%d:3306", i+1),
		disk: disk{data: newTable()}, file: identity{serverID: 1, layout: autoinc.Layout{Offset: 1, Stride: 1}}, lostAt: -time.Hour,
	}
	if w.opt.Adopts && i < w.opt.Members {
		s.byFile(i)
	}
	s.equalIDs(i)
	s.boot()
	return s
}

// equalIDs gives some servers a config file that has one number for server_id and
// gtid_domain_id, as an identity of a ring has: that proves nothing (S99). What else was
// drawn of the seed stays.
func (s *server) equalIDs(i int) {
	if rand.New(rand.NewPCG(s.w.opt.Seed, 0xf11e+uint64(i))).IntN(3) == 0 {
		s.file.serverID, s.file.domain = uint32(11+i), uint32(11+i)
	}
}

func (s *server) host() endpoint { return endpoint(s.id) }

// boot starts a process: what its config file says, and nothing else. It is
// closed, its threads stand still, and no token is stamped.
func (s *server) boot() {
	s.proc++
	s.power = running
	s.inbox = nil
	s.mem = memory{
		serverID: s.file.serverID, domain: s.file.domain, layout: s.file.layout, readOnly: true,
		settings: topology.Settings{
			LogBin: true, LogReplica: true, LogReplicaInFile: true, RowFormat: true, ReadOnlyInFile: true,
			GTIDStrict: true, StrictDDL: true, NetTimeout: 2,
		},
		counter: s.disk.data.maxID, scheduler: s.w.atBoot(),
	}
	s.mem.receiver.state, s.mem.applier.state = topology.ThreadStopped, topology.ThreadStopped
	s.w.say(string(s.id), "boots: process %d, closed, threads stopped", s.proc)
}

// kill ends the process as kill -9 does. What had reached the binlog is
// committed by the recovery; what had not is gone.
func (s *server) kill() {
	if s.power == dead {
		return
	}
	s.w.say(string(s.id), "killed; %d commits under way, %d transactions received and not applied", len(s.mem.commits), len(s.mem.applier.relay))
	s.power = dead
	s.proc++
	s.endsWithProcess()
	for _, c := range s.mem.commits {
		if c.stage == stageWaiting {
			s.disk.data.apply(c.t)
			if c.conn == nil {
				s.disk.slavePos = s.disk.slavePos.With(c.t.gtid)
			}
		}
	}
	for _, d := range s.mem.dumps {
		d.lost()
	}
	if d := s.mem.receiver.dump; d != nil {
		d.drop() // its upstream sees the connection break
	}
	pending := s.pending
	s.pending, s.inbox = nil, nil
	for _, c := range pending {
		c.lose()
	}
	s.mem = memory{}
}

func (s *server) freeze() {
	if s.power == running {
		s.power = frozen
		s.w.say(string(s.id), "frozen")
	}
}

// thaw lets the process go on: what had reached its sockets is read now, each
// connection in its own time.
func (s *server) thaw() {
	if s.power != frozen {
		return
	}
	s.power = running
	inbox := s.inbox
	s.inbox = nil
	s.w.say(string(s.id), "thawed: %d things wait in its sockets", len(inbox))
	s.w.rng.Shuffle(len(inbox), func(i, j int) { inbox[i], inbox[j] = inbox[j], inbox[i] })
	for _, do := range inbox {
		s.local(s.w.between(0, 3*time.Millisecond), do)
	}
}

// local has do happen in this process d from now, later if it is frozen then,
// and never if the process has ended.
func (s *server) local(d time.Duration, do func()) {
	proc := s.proc
	s.w.after(d, func() { s.reach(proc, do) })
}

// reach hands do to the process numbered proc, and reports whether it is alive.
func (s *server) reach(proc int, do func()) bool {
	switch {
	case s.proc != proc || s.power == dead:
		return false
	case s.power == frozen:
		s.inbox = append(s.inbox, do)
	default:
		do()
	}
	return true
}

// answers reports whether a packet from there would be read now.
func (s *server) answers(from endpoint) bool {
	return s.power == running && s.w.net.whole(from, s.host())
}
