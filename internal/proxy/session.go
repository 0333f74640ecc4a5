package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// session is one client. Its fields belong to its own goroutine, except for
// those that say otherwise.
type session struct {
	p      *Proxy
	id     uint32
	conn   net.Conn  // the client's; deadlines may be set by anybody
	client stream    // replaced before the session is at work for the first time; others may peek then
	tls    *tls.Conn // above conn; nil: none
	shown  *x509.Certificate
	packed *packedStream // client, if it is compressed; else nil
	from   netip.Addr
	ctx    lifetime // ends when the client has gone or the proxy stops; anybody may end it

	as      *caller         // who it is; it is not changed, but replaced
	caps    wire.Capability // agreed with the client
	salt    wire.Salt       // of its last login
	plugins bool            // the client can be asked to authenticate by another method
	denied  uint8           // changes of user that failed
	latest  uint8           // of kept, what was given back last
	place   place           // in the proxy's census
	in      buffer          // from the client
	mem     memory
	link    *link          // that it has; nil: none at present
	kept    [2]kept        // that it has given back: for reads elsewhere the second
	view    *balancer.View // the one that link was chosen or confirmed by

	account     *token               // what its account has written
	written     token                // what it has written itself
	wroteAt     topology.MemberID    // where it wrote last
	aiming                           // which units the command under way is about
	elsewhere   bool                 // the command under way was tried at another member than the owner
	asker       bool                 // its account is known to ask for what the last statement has left
	consistency balancer.Consistency // of its reads
	drawn       uint32               // tick of draws
	draws       [2]uint64
	gates       [2]*memberGate // that it has been at last
	admitted    admission      // its place at one of them
	urgent      urgent
	errand      gate.Errand // what its client does by several statements while others wait
	visit       *gate.Visit // what its transaction has of hot keys; nil: nothing
	visitAt     *memberGate
	within      []*limitCounts // rules that its command, or transaction, counts in
	sampled     uint32         // counts statements
	weighed     uint32         // sampled, when one was measured last
	took        time.Duration  // by the last one that was measured
	generation  uint64         // of the accounts, when it logged in

	*underway // of its command; nil while it waits for the client: underway.go

	// Of the command under way, or of the last one:
	code      wire.Command
	delivered bool   // some of its response has reached the client
	midway    bool   // it was begun, and its response has not ended
	leaving   bool   // it was refused in the midst of it: the session ends
	expired   bool   // its answer came when the lease was over, or behind a KILL QUERY
	own       own    // what it has to do with the connection itself
	next      byte   // sequence number of the packet that the client expects
	refused   uint16 // number of the last error in its response; 0: none
	queued    bool   // it waits for an owner

	was      topology.MemberID // where the last link led to
	lastTick uint32            // of the proxy, when the last command ended

	looked   atomic.Uint32                 // phase at the watch's last look
	eye      atomic.Uint32                 // whether its client is still there: watch.go
	lookedAt atomic.Int64                  // when the watch first saw that, unix nanoseconds; 0: never
	began    int64                         // when its client connected, unix nanoseconds
	profile  atomic.Pointer[profile]       // for others: sessions.go; nil: it is not logged in
	doing    atomic.Pointer[balancer.Plan] // what its command does, for others
	waits    atomic.Pointer[string]        // what its command waits for, for others; nil: nothing
	stays    *stays                        // as limit.go looked last; the watch's own; nil: it never did
	pinnedAt atomic.Uint32                 // since when it has kept its link without a break, unix seconds; see pins.go

	strikes  strikes                       // KILLs of what runs here, counted by others
	atMember atomic.Pointer[link]          // link, for others
	resting  atomic.Pointer[link]          // kept.link, for others, while nobody else has taken it
	pinned   atomic.Uint64                 // why it keeps its link, for others: see pins.go; 0: it does not
	pinnedBy atomic.Pointer[balancer.Plan] // what gave the latest reason for that

	interrupted atomic.Bool
	known       atomic.Pointer[caller]  // as, for others; nil: not logged in
	opening     atomic.Pointer[attempt] // at a link, for others
	working     atomic.Pointer[work]    // units in which something of it may be under way: draining.go
	phase       atomic.Uint32           // odd: at work. Counts up at every change
	staled      atomic.Bool             // the watch has found link closed
}

func newSession(p *Proxy, conn net.Conn) *session {
	s := &session{p: p, as: &nobody, conn: conn, from: addressOf(conn), client: newStream(conn), began: time.Now().UnixNano()}
	s.in.pool = &p.buffers
	s.takeUp()
	return s
}

// run serves the client from its first byte to its last. Its frame, and those of serve
// and await, lie on the stack of each client that does nothing: what they need but at the
// end is elsewhere (memory.go).
func (s *session) run() {
	defer s.end()
	if s.entered(s.login()) {
		s.left(s.serve())
	}
}

// entered reports whether the login went well.
func (s *session) entered(err error) bool {
	if err != nil {
		s.p.log.Debug("login failed", "session", s.id, "from", s.host(), "error", err)
	}
	return err == nil
}

// left says why the client is served no more, unless it left in an orderly way.
func (s *session) left(err error) {
	if !errors.Is(err, io.EOF) {
		s.p.log.Debug("session ended", "session", s.id, "user", s.as.login.User, "from", s.host(), "error", err)
	}
}

// end closes both connections. A statement that still runs is killed first. It is
// deferred: a fault of ours ends here, with the session that it was in.
func (s *session) end() {
	if why := recover(); why != nil {
		s.faulted(why)
	}
	defer s.idle()
	defer s.leavePlace()
	s.abandon()
	s.ctx.end()
	if _, gone := s.client.peek(); !gone || !s.midway {
		s.errand = gate.Errand{} // it did not go for want of patience
	}
	s.p.hangups.forget(s)
	s.leave()
	if l := s.link; l != nil && s.midway {
		s.p.lease.doubt(s.aimed)
		s.discard(l)
		s.p.killStatement(l, *s.as)
		_ = l.conn.Close()
	}
	s.surrender()
	s.in.drop()
	s.layDown()
}

// serve passes one command after the other. It always returns an error, io.EOF
// if the client left in an orderly way.
func (s *session) serve() error {
	s.publish()
	s.layDown()
	s.mark(false)
	for {
		s.begin()
		c, err := s.await()
		if err != nil {
			return err
		}
		s.mark(true)
		s.takeUp()
		s.goOnInPlace()
		s.p.count.bytesIn.Add(uint64(len(c.packet)))
		if err := s.execute(c); err != nil {
			return err
		}
		if err := s.after(); err != nil {
			return err
		}
		s.lastTick = s.p.tick.Load()
		s.mem.once = balancer.StickNone
		s.rest()
		s.answeredInPlace()
		s.publish()
		s.answered()
		s.layDown()
		s.mark(false)
	}
}

var (
	errLayoutChanged = errors.New("the session's auto_increment slot was changed")
	errTold          = errors.New("the client was told that its session ends")
	errDraining      = errors.New("the proxy stops")
	errSurplus       = errors.New("the member sent more than one response")
	errLinkGone      = errors.New("the link was lost, and the session's state with it")
	errNotOwner      = errors.New("the member is no longer the owner")
	errRefused       = errors.New("the member refused a command because of its size, and closed")
	errKilled        = errors.New("the session was killed")
	errExpired       = errors.New("an answer came when the lease was over, after some of it was delivered")
	errStruck        = errors.New("the command was killed while it waited for a link")
	errUnsent        = errors.New("a parameter that was sent ahead could not be passed on")
	errElsewhere     = errors.New("the command is to be run on another link") // never leaves pass
)

// mark says whether the session is at work for its client or waits for it.
func (s *session) mark(busy bool) {
	if (s.phase.Load()&1 == 1) != busy {
		s.phase.Add(1)
	}
}

// at returns the link that the session has, or has given back and not lost yet; nil if
// there is none. It may be called by anybody.
func (s *session) at() *link {
	if l := s.atMember.Load(); l != nil {
		return l
	}
	return s.resting.Load()
}

// setLink replaces the link, which is closed by the caller.
func (s *session) setLink(l *link) {
	s.link = l
	s.atMember.Store(l)
	s.staled.Store(false)
	if l == nil {
		return
	}
	s.was = l.route.Member.ID
	s.mem.statements.moved()
	s.mem.left()
	s.mem.sequenced = false
	if s.ctx.Err() != nil {
		l.cut()
	}
}

// clearDeadline takes the login's deadline away, unless somebody has set one
// meanwhile to wake the session.
func (s *session) clearDeadline() {
	_ = s.conn.SetDeadline(time.Time{})
	switch {
	case s.ctx.Err() != nil:
		_ = s.conn.SetDeadline(time.Unix(1, 0))
	case s.p.draining.Load():
		_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// await waits for the client's next command, whole if the buffer can hold it or it is a
// statement that is worth holding, else as much of it as the buffer can hold.
func (s *session) await() (command, error) {
	s.next = 1
	for {
		c, complete, err := readCommand(s.in.bytes())
		if err != nil {
			return c, s.tellLast(wire.NewError(wire.PacketsOutOfOrder, "Got packets out of order"))
		}
		if complete || s.in.full() && !s.makesRoom(c) {
			return c, nil
		}
		err = s.client.fill(&s.in)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = s.woken()
		}
		if err != nil {
			return command{}, err
		}
	}
}

// woken finds out why a session that waits for its client was woken.
func (s *session) woken() error {
	if err := s.ctx.Err(); err != nil {
		if told := s.overstayed(); told != nil {
			return s.tellLast(told)
		}
		return err
	}
	if s.staled.Load() {
		if err := s.lostIdle(); err != nil {
			return err
		}
		s.leavePlace() // its transaction has ended at the member, whether its client knows or not
	}
	until := time.Time{}
	if s.p.draining.Load() {
		until = time.Unix(0, s.p.drainEnd.Load())
		if !s.mem.inTransaction() || !time.Now().Before(until) {
			return errDraining
		}
	}
	return s.conn.SetReadDeadline(until)
}

// tell gives the client an error in place of a response.
func (s *session) tell(e *wire.Error) error {
	s.p.count.errors.Add(1)
	packet, _ := wire.AppendPacket(nil, max(s.next, 1), e.Append(nil))
	return s.client.write(packet)
}

// tellLast gives the client an error and ends the session.
func (s *session) tellLast(e *wire.Error) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(pauseForOneWrite))
	_ = s.tell(e)
	return errTold
}
