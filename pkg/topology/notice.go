package topology

import (
	"fmt"
	"time"
)

// Topic is what a notice is about.
type Topic uint8

// The topics. TopicLag to TopicOperation of a stuck one are seen by the leader
// ([Finding]); the others follow from what raft commits.
const (
	TopicLag       Topic = iota // the lag level of a member; subject: the member
	TopicMember                 // where a member stands in its life; subject: the member
	TopicRing                   // what is not as the law of the ring says; subject: RULE or RULE/MEMBER
	TopicUnit                   // who owns a unit; subject: the unit
	TopicRaft                   // who leads; subject: leader
	TopicNode                   // a node that is not heard of; subject: the node
	TopicSemiSync               // what is ordered of a member's commits; subject: the member
	TopicHeadroom               // how much of a key space is gone; subject: SCHEMA.TABLE.COLUMN
	TopicOperation              // an operation; subject: its id
	TopicHook                   // a hook that does not work, or the outbox; subject: the hook, or outbox
	TopicGate                   // what stands in front of a member; subject: MEMBER@NODE. From [LawOfGates] on
)

var topicNames = [...]string{"lag", "member", "ring", "unit", "raft", "node", "semi-sync", "headroom", "operation", "hook", "gate"}

// TopicNames returns the name of every topic.
func TopicNames() []string { return append([]string(nil), topicNames[:]...) }

func (t Topic) String() string { return enumName(topicNames[:], int(t)) }

// MarshalText writes the topic's name.
func (t Topic) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a topic's name.
func (t *Topic) UnmarshalText(text []byte) error { return enumParse(topicNames[:], text, t) }

// observed reports whether what stands of the topic is what the leader has seen.
func (t Topic) observed() bool {
	switch t {
	case TopicLag, TopicRing, TopicNode, TopicHeadroom, TopicOperation, TopicHook, TopicGate:
		return true
	case TopicMember, TopicUnit, TopicRaft, TopicSemiSync:
	}
	return false
}

// Urgency is how soon somebody has to look at it.
type Urgency uint8

// The urgencies.
const (
	UrgencyInfo     Urgency = iota // good to know
	UrgencyWarning                 // the ring works, with less than was promised
	UrgencyCritical                // a person is needed
)

var urgencyNames = [...]string{"info", "warning", "critical"}

// UrgencyNames returns the name of every urgency, the least first.
func UrgencyNames() []string { return append([]string(nil), urgencyNames[:]...) }

func (u Urgency) String() string { return enumName(urgencyNames[:], int(u)) }

// MarshalText writes the urgency's name.
func (u Urgency) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads an urgency's name.
func (u *Urgency) UnmarshalText(text []byte) error { return enumParse(urgencyNames[:], text, u) }

// Phase says whether what a notice tells lasts.
type Phase uint8

// The phases.
const (
	PhaseTold     Phase = iota // it has happened
	PhaseFiring                // it has begun, or changed, and lasts until it is resolved
	PhaseResolved              // what lasted is over
)

var phaseNames = [...]string{"told", "firing", "resolved"}

func (p Phase) String() string { return enumName(phaseNames[:], int(p)) }

// MarshalText writes the phase's name.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a phase's name.
func (p *Phase) UnmarshalText(text []byte) error { return enumParse(phaseNames[:], text, p) }

// Notice is one transition, as it is kept in raft and told to hooks. It is immutable,
// its Acked aside.
type Notice struct {
	Seq      uint64    `json:"seq"`   // counts from 1
	Index    uint64    `json:"index"` // of the command that made it
	At       time.Time `json:"at"`
	By       string    `json:"by"` // who ordered that command
	Topic    Topic     `json:"topic"`
	Subject  string    `json:"subject"`
	Member   MemberID  `json:"member,omitempty"` // if it is about one
	From     string    `json:"from,omitempty"`   // the state before; empty: none is known
	To       string    `json:"to"`
	Phase    Phase     `json:"phase"`
	Severity Urgency   `json:"severity"` // of To
	Was      Urgency   `json:"was"`      // of what stood before; info: nothing did
	Since    time.Time `json:"since"`    // when it was found to be so
	What     string    `json:"what"`
	Why      string    `json:"why,omitempty"`
	Remedy   string    `json:"remedy,omitempty"` // what to do
	Evidence []string  `json:"evidence,omitempty"`
	Began    uint64    `json:"began,omitempty"` // seq of the notice that what stands began with
	Acked    *Ack      `json:"acked,omitempty"`
}

// ID names the notice in the whole life of a ring, over a restored state too: who
// gets it twice knows it by that.
func (n Notice) ID() string { return fmt.Sprintf("%d-%d", n.Seq, n.At.UnixMilli()) }

// Key names what the notice is about: notices of one thing have the same.
func (n Notice) Key() string { return n.Topic.String() + "/" + n.Subject }

// Ack says that somebody has seen it.
type Ack struct {
	By  string    `json:"by"`
	At  time.Time `json:"at"`
	Why string    `json:"why,omitempty"`
}

// Finding is one thing that the leader sees not to be as it should be, or, in
// [NoteFindings], that it sees to be over (Severity is info then, and To says what
// is now).
type Finding struct {
	Topic    Topic     `json:"topic"`
	Subject  string    `json:"subject"`
	Member   MemberID  `json:"member,omitempty"`
	From     string    `json:"from,omitempty"` // what stands in raft; empty: nothing. Set by News
	To       string    `json:"to"`
	Severity Urgency   `json:"severity"`
	Since    time.Time `json:"since"`
	What     string    `json:"what"`
	Why      string    `json:"why,omitempty"`
	Remedy   string    `json:"remedy,omitempty"`
	Evidence []string  `json:"evidence,omitempty"`

	// Hold is how long it has to be seen before it is told. It is the leader's alone.
	Hold time.Duration `json:"-"`
}

// Key is that of the notice that it becomes.
func (f Finding) Key() string { return f.Topic.String() + "/" + f.Subject }

// Limits of a notice's texts, in bytes and lines.
const (
	maxNoticeText = 600
	maxSubject    = 200
	maxEvidence   = 24
)

// Clip returns the finding with its texts cut to what raft takes.
func (f Finding) Clip() Finding {
	f.Subject, f.To = cut(f.Subject, maxSubject), cut(f.To, maxSubject)
	f.What, f.Why, f.Remedy = cut(f.What, maxNoticeText), cut(f.Why, maxNoticeText), cut(f.Remedy, maxNoticeText)
	lines := make([]string, 0, min(len(f.Evidence), maxEvidence))
	for _, line := range f.Evidence[:min(len(f.Evidence), maxEvidence)] {
		lines = append(lines, cut(line, maxNoticeText))
	}
	f.Evidence = lines
	return f
}

// cut shortens text to at most limit bytes, between two characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const mark = "…"
	end := 0
	for i := range text {
		if i > limit-len(mark) {
			break
		}
		end = i
	}
	return text[:end] + mark
}

func (f Finding) validate() error {
	long := len(f.What) > maxNoticeText || len(f.Why) > maxNoticeText || len(f.Remedy) > maxNoticeText ||
		len(f.Subject) > maxSubject || len(f.To) > maxSubject || len(f.Evidence) > maxEvidence
	for _, line := range f.Evidence {
		long = long || len(line) > maxNoticeText
	}
	switch {
	case long:
		return fmt.Errorf("%w: the finding about %s is too long", ErrLaw, f.Key())
	case f.Subject == "" || f.To == "":
		return fmt.Errorf("%w: a finding without a subject or a state", ErrLaw)
	case !f.Topic.observed():
		return fmt.Errorf("%w: %s follows from raft, and is not seen", ErrLaw, f.Topic)
	}
	return nil
}
