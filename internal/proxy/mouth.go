package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Some statements are for sqlring itself, and are answered here:
//
//	SET sqlring_consistency = 'eventual' | 'session' | 'account' | 'strong'
//	SHOW SQLRING PINS       which sessions keep their connection, why, for how long, and by which statement
//	SHOW SQLRING POOLS      the connections to the members
//	SHOW SQLRING GATES      who has places at the members, and who waits
//	SHOW SQLRING HOTKEYS    the keys that have lanes
//	SET sqlring_priority = 'background' | 'normal' | 'high' | 'urgent'
//	SET sqlring_deadline = '200ms'
//	EXPLAIN ROUTE statement where it would go, and why

// forUs answers a statement that is for sqlring. known is false if it is none.
func (s *session) forUs(c command) (known bool, err error) {
	text := c.text()
	if len(text) < 10 {
		return false, nil
	}
	switch text[0] | 0x20 { // a letter's other case, or white space or a comment in front
	case 's', 'e', ' ', '\t' | 0x20, '\n' | 0x20, '\r' | 0x20, '/':
	default:
		return false, nil
	}
	first, rest := word(text)
	switch {
	case bytes.EqualFold(first, []byte("set")):
		if !mentionsUs(rest) {
			return false, nil
		}
		assignment := "set " + uncommented(string(rest))
		if told := misspelt(assignment); told != nil {
			return true, s.refuse(c, told)
		}
		if name, ok := setsOwn(assignment, "sqlring_consistency"); ok {
			return true, s.setConsistency(c, name)
		}
		if known, told := s.setUrgency(assignment); known {
			if told != nil {
				return true, s.refuse(c, told)
			}
			s.in.consume(len(c.packet))
			s.p.count.queries.Add(1)
			return true, s.done()
		}
	case bytes.EqualFold(first, []byte("show")):
		second, rest := word(rest)
		if !bytes.EqualFold(second, []byte("sqlring")) {
			return false, nil
		}
		what, _ := word(rest)
		return true, s.show(c, strings.ToLower(string(what)))
	case bytes.EqualFold(first, []byte("explain")):
		if second, statement := word(rest); bytes.EqualFold(second, []byte("route")) {
			if len(bytes.TrimSpace(statement)) == 0 {
				return true, s.refuse(c, wire.NewError(wire.VariableReserved, "sqlring: EXPLAIN ROUTE of what? A statement has to follow"))
			}
			e := s.explain(bytes.Clone(statement))
			return true, s.tellRows(c, []string{"what", "value"}, e.rows())
		}
	}
	return false, nil
}

// maxAssignment is how much of a SET is looked at: what is for sqlring is short.
const maxAssignment = 500

// mentionsUs reports whether what a SET sets may be sqlring's own.
func mentionsUs(assignment []byte) bool {
	return len(assignment) <= maxAssignment && bytes.Contains(bytes.ToLower(assignment), []byte("sqlring_"))
}

// uncommented returns a short text without its comments, as clients add them to all that
// they send. It knows no quotes: what is set here has none with a comment in it.
func uncommented(text string) string {
	text, _, _ = strings.Cut(text, "#")
	text, _, _ = strings.Cut(text, "-- ")
	for {
		before, rest, found := strings.Cut(text, "/*")
		_, after, ended := strings.Cut(rest, "*/")
		if !found || !ended {
			return strings.TrimSpace(text)
		}
		text = before + " " + after
	}
}

func (s *session) setConsistency(c command, name string) error {
	level, err := balancer.ParseConsistency(name)
	if name == "default" {
		level, err = s.p.cfg.consistencyOf(s.as.login.User), nil
	}
	if err != nil {
		return s.refuse(c, wire.NewError(wire.VariableReserved, "sqlring: %v", err))
	}
	s.consistency = level
	s.in.consume(len(c.packet))
	s.p.count.queries.Add(1)
	return s.done()
}

// show answers SHOW SQLRING. Accounts are told of their own sessions.
func (s *session) show(c command, what string) error {
	switch what {
	case "pins":
		var rows [][]string
		for _, p := range s.p.Pins() {
			if p.User == s.as.login.User {
				rows = append(rows, []string{strconv.FormatUint(uint64(p.Session), 10), p.User, string(p.Member), p.Why, strconv.Itoa(int(p.For.Seconds())), p.By})
			}
		}
		return s.tellRows(c, []string{"session", "user", "member", "why", "for_s", "statement"}, rows)
	case "pools":
		var rows [][]string
		for _, p := range s.p.Pools() {
			rows = append(rows, []string{string(p.Member), strconv.Itoa(p.Links), strconv.Itoa(p.Taken), strconv.Itoa(p.Waiting), strconv.Itoa(p.Limit)})
		}
		return s.tellRows(c, []string{"member", "connections", "taken", "waiting", "limit"}, rows)
	}
	if columns, rows, known := s.showBursts(what); known {
		return s.tellRows(c, columns, rows)
	}
	return s.refuse(c, wire.NewError(wire.VariableReserved, "sqlring: %s is not known: SHOW SQLRING PINS, POOLS, GATES, QUEUES, HOTKEYS and DIGESTS are", strings.TrimSpace("SHOW SQLRING "+strings.ToUpper(what))))
}

// tellRows answers a command with rows of our own.
func (s *session) tellRows(c command, columns []string, rows [][]string) error {
	s.in.consume(len(c.packet))
	s.p.count.queries.Add(1)
	return s.client.write(wire.AppendRows(nil, s.caps, s.mem.status, columns, rows))
}

// Pin is a session that keeps its connection between its commands.
type Pin struct {
	Session uint32
	User    string
	Member  topology.MemberID
	Effects balancer.Effects
	Why     string
	For     time.Duration // that it has kept it, to the second
	By      string        // the digest of the statement that gave it the latest reason; "": none did, or it is not known
}

// Pins returns the sessions that keep their connection, by id. It is safe for
// concurrent use.
func (p *Proxy) Pins() []Pin {
	var pins []Pin
	now := uint32(time.Now().Unix())
	for _, s := range p.all() {
		effects, l, as := balancer.Effects(s.pinned.Load()), s.atMember.Load(), s.known.Load()
		if effects == 0 || l == nil || as == nil {
			continue
		}
		pin := Pin{Session: s.id, User: as.login.User, Member: l.route.Member.ID, Effects: effects, Why: effects.String()}
		pin.For = time.Duration(max(0, int32(now-s.pinnedAt.Load()))) * time.Second
		if plan := s.pinnedBy.Load(); plan != nil {
			pin.By = abridge(string(plan.AppendDigest(nil)))
		}
		pins = append(pins, pin)
	}
	slices.SortFunc(pins, func(a, b Pin) int { return int(int64(a.Session) - int64(b.Session)) })
	return pins
}

// seenPins are the effects that no text tells of, and that keep links.
const seenPins = 1<<balancer.EffectUnnamed | 1<<balancer.EffectTransaction | 1<<balancer.EffectBinaryPrepare | 1<<balancer.EffectCursor | 1<<balancer.EffectLongData

// Pinned counts the sessions that keep their connection, by why; a session with several
// reasons counts for each. Every reason that there is has its count, 0 too. It is safe
// for concurrent use.
func (p *Proxy) Pinned() map[balancer.Effect]int {
	counts := make(map[balancer.Effect]int)
	balancer.Effects(pinning | seenPins).Each(func(e balancer.Effect) { counts[e] = 0 })
	for _, s := range p.all() {
		if s.atMember.Load() != nil {
			balancer.Effects(s.pinned.Load()).Each(func(e balancer.Effect) { counts[e]++ })
		}
	}
	return counts
}

// notePins says why the session has its link when its command has ended.
func (s *session) notePins() {
	var why balancer.Effects
	if s.link != nil {
		why = s.mem.pins
		if s.mem.inTransaction() {
			why |= 1 << balancer.EffectTransaction
		}
		switch s.mem.sticks() {
		case balancer.StickNone:
		case balancer.StickState:
			if s.mem.pins == 0 || s.mem.unnamed {
				why |= 1 << balancer.EffectUnnamed
			}
		case balancer.StickUserLock:
			why |= 1 << balancer.EffectUserLock
		case balancer.StickPrepared:
			why |= 1 << balancer.EffectBinaryPrepare
		case balancer.StickCursor:
			why |= 1 << balancer.EffectCursor
		case balancer.StickLongData:
			why |= 1 << balancer.EffectLongData
		case balancer.StickTruncated:
			why |= 1 << balancer.EffectTruncated
		case balancer.StickUnknown, balancer.StickBatch:
			why |= 1 << balancer.EffectUnknown
		}
		if s.mem.statements.asking > 0 {
			why |= 1 << balancer.EffectBinaryPrepare
		}
	}
	was := balancer.Effects(s.pinned.Load())
	if was == why {
		return
	}
	if was == 0 {
		s.pinnedAt.Store(uint32(time.Now().Unix()))
	}
	if why&^was != 0 {
		s.pinnedBy.Store(s.plan)
	}
	if why == 0 {
		s.pinnedBy.Store(nil)
	}
	s.pinned.Store(uint64(why))
}

// Pool is how the connections to a member are used.
type Pool struct {
	Member  topology.MemberID
	Links   int // that are open
	Taken   int // of them, those that sessions have
	Waiting int // sessions that wait for one
	Limit   int // how many there may be: proxy.member_links, the share of what the member takes, or fewer if it takes no more
}

// Pools returns the pools, by member. It is safe for concurrent use.
func (p *Proxy) Pools() []Pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var pools []Pool
	for id, lp := range p.pools {
		lp.mu.Lock()
		pools = append(pools, Pool{id, len(lp.links), int(lp.active.Load()), len(lp.waiters), lp.mayHaveLocked()})
		lp.mu.Unlock()
	}
	slices.SortFunc(pools, func(a, b Pool) int { return strings.Compare(string(a.Member), string(b.Member)) })
	return pools
}
