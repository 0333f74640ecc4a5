package topology

import (
	"fmt"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// ActionKind is what is done to one member. Every action is short, idempotent,
// and verified by reading back.
type ActionKind uint8

// The actions. None of them is ever a statement that is written to the binlog.
const (
	ActNone ActionKind = iota
	// ActPrepare closes the member (read_only) and sets everything of DESIGN's
	// set-up that SQL can set: identity, layout, GTID and applier rules, network
	// timeouts, semi-sync's endless wait; it makes the replication account
	// and the schema sqlring if they are not there. It never starts replication.
	// With Fresh it also empties the GTID state, and refuses a member that holds
	// a schema of somebody else. Without, the domain of a retired identity is put
	// into gtid_slave_pos at the member's own position, or its events, which still
	// travel, would stop the applier.
	ActPrepare
	// ActFollow points the member at Upstream and starts both threads. If it
	// follows somebody else already, it is refused unless the receiver is stopped
	// and all that was received is applied. If it follows Upstream already, the
	// threads that do not run are started. Acker says whether it acknowledges to
	// its upstream (rpl_semi_sync_slave_enabled); if that is to change, the
	// receiver is restarted while the applier runs. Whoever does not carry Identity is
	// refused: it was restarted, or not prepared (S99).
	ActFollow
	// ActStopReceiver stops the receiver alone; the applier runs on. If it stands still, it
	// is refused unless all that is received and not applied is within Elsewhere.
	ActStopReceiver
	// ActDetach ends following: refused unless drained.
	ActDetach
	// ActArm makes commits wait for the acker (semi-sync on).
	ActArm
	// ActDisarm answers the commits that wait and lets others pass (semi-sync off).
	ActDisarm
	// ActOpen lifts read_only and then stamps the boot token.
	ActOpen
	// ActClose sets read_only, within a lock timeout of 2 s.
	ActClose
	// ActStamp sets the boot token alone: a member that stays closed is admitted.
	ActStamp
	// ActExpel ends every connection of an application, or with Below those up to
	// that id, and sees them gone.
	ActExpel
	// ActReadTail reads the member's own transactions above After from its binlog
	// and judges them; the result is Observation.Tail.
	ActReadTail
	// ActSeize takes the hands and does nothing else: after it, no statement of an
	// earlier leader can land on the member (S9).
	ActSeize
	// ActRetire removes what sqlring has put on a member that has left the wiring: the
	// schema sqlring and the replication account. What its memory holds ends with the
	// process.
	ActRetire
	// ActCopy starts to fill the member with another one's data, unless the copy of
	// that number runs, or stands complete there. It returns at once: how far it is
	// is Observation.Copy. What the member held before is dropped.
	ActCopy
	// ActEndCopy ends whatever writes a copy into the member. What is there is not
	// marked, and is worth nothing.
	ActEndCopy
	// ActEvents gives events the state that Events says, by statements that are not
	// logged and change nothing else of them, and ends those that are at work where
	// nothing may be. The scheduler stands still meanwhile, so that none begins.
	ActEvents
	// ActSlot has the server give Layout to whoever connects from now on, and notes which
	// connections are from before ([Renewal]). It ends none, and closes nothing: it is for
	// a layout that is within the one before, or the other way round.
	ActSlot
	// ActEndOlder ends the connections of applications, those that log in among them, with
	// an id less than Below, and sees them gone.
	ActEndOlder
	// ActSchema makes the replication account and the schema sqlring, and nothing else.
	ActSchema
	// ActAdopt takes over a member that serves applications and goes on doing so: its
	// receiver stands still and all that it received is applied. Its applier is stopped;
	// rules, settings, slot and identity are set; sessions of before are ended, those
	// that are idle first; all that it wrote before is noted as applied (S36); its link
	// is forgotten, for the next one is sqlring's; its boot token is stamped last (S52).
	ActAdopt
	// ActReplay reads the member's transactions above After from its binlog and writes
	// each anew at the owner of its unit, if it does not conflict with what is there (S54);
	// the result is Observation.Replay.
	ActReplay
	// ActStart starts both threads of whatever link the member has.
	ActStart
	// ActSlots writes Slots into the member's own copy of the table, in one transaction
	// that is not logged (S61).
	ActSlots
)

var actionNames = [...]string{
	"none", "prepare", "follow", "stop receiver", "detach", "arm semi-sync", "disarm semi-sync",
	"open for writes", "close for writes", "stamp", "expel applications", "read tail", "seize", "retire", "copy", "end copy", "set events", "set slot", "end older sessions",
	"make schema", "take over", "replay", "start replication", "write table of slots",
}

func (k ActionKind) String() string { return enumName(actionNames[:], int(k)) }

// Action is one thing to be done to one member. Which fields count depends on
// Kind; the others are zero.
type Action struct {
	Kind         ActionKind
	Identity     uint32         // ActPrepare, ActAdopt: server_id and gtid_domain_id; ActFollow, ActOpen, ActArm, ActSlot: what it must have; ActReadTail: its own
	Retired      []uint32       // ActPrepare, ActReadTail: identities that the member had before
	Layout       autoinc.Layout // ActPrepare, ActReadTail, ActSlot
	Fresh        bool           // ActPrepare: the member is new and empty
	Upstream     string         // ActFollow: host:port
	UpstreamName MemberID       // ActFollow: for people
	Acker        bool           // ActFollow: it acknowledges what it receives
	Boot         uint64         // ActOpen, ActStamp
	After        Position       // ActReadTail
	GivesUp      bool           // ActReadTail: after some failures it is said that it can not be read: Tail.Unread
	Elsewhere    Position       // ActStopReceiver: what members in the ring hold
	Below        uint64         // ActExpel: the highest connection id that is ended, 0: all; ActEndOlder: the lowest that is not
	Regain       Position       // ActOpen: what it must have back first; empty on MariaDB
	Copy         CopyOrder      // ActCopy
	Replay       ReplayOrder    // ActReplay
	// Live, of ActPrepare: the member serves applications and goes on doing so. It
	// is not closed; sessions of its earlier identity and layout are ended, and what
	// it wrote before is noted as applied (S36).
	Live bool
	// Boots, with Live, is the DBA's word that the config file has read_only=1, which
	// can not be seen any more once it was set by SQL.
	Boots bool
	// Full, of ActPrepare with Fresh: what it holds is given up, so it may hold
	// something; the copy drops it.
	Full   bool
	Events EventOrder // ActEvents
	Slots  SlotTable  // ActSlots
}

// String says the action in words, with its arguments.
func (a Action) String() string {
	switch a.Kind {
	case ActPrepare, ActAdopt:
		return fmt.Sprintf("%s as identity %d, slot %s", a.Kind, a.Identity, a.Layout)
	case ActSlot:
		return fmt.Sprintf("%s %s", a.Kind, a.Layout)
	case ActFollow:
		return fmt.Sprintf("%s %s", a.Kind, a.UpstreamName)
	case ActReadTail:
		return fmt.Sprintf("%s after %q", a.Kind, a.After)
	case ActEvents:
		return fmt.Sprintf("%s: %s", a.Kind, a.Events)
	case ActCopy:
		return fmt.Sprintf("%s %d from %s", a.Kind, a.Copy.ID, a.Copy.Name)
	}
	return a.Kind.String()
}
