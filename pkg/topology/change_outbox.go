package topology

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxSilenceTime is how long a silence may last.
const MaxSilenceTime = 30 * 24 * time.Hour

// OpenOutbox changes the law of the state: from here on each transition is told, and
// each change leaves a line in the audit. A node of the release before does not know
// the command, so it is proposed only once every node is of a later one.
type OpenOutbox struct{}

func (OpenOutbox) String() string { return "tell each transition from now on" }

func (OpenOutbox) apply(s *Snapshot, c Command) error {
	if s.Outbox != nil {
		return fmt.Errorf("%w: the outbox is open", ErrStale)
	}
	s.Outbox = &Outbox{
		Next: 1, NextSilence: 1, History: []Notice{}, Pending: []Pending{}, Standing: []Standing{}, Silences: []Silence{},
	}
	s.tellPresent(c)
	return nil
}

// outbox returns the outbox of a command's own copy.
func (s *Snapshot) outbox() (*Outbox, error) {
	if s.Outbox == nil {
		return nil, fmt.Errorf("%w: the outbox is not open yet: every node has to run this release first", ErrStale)
	}
	return s.Outbox, nil
}

// NoteFindings tells what the leader has seen. A finding that expected something else
// to stand is passed over; if that is so of all, the command is refused.
type NoteFindings struct {
	Findings []Finding `json:"findings"`
}

func (n NoteFindings) String() string {
	words := make([]string, 0, len(n.Findings))
	for _, f := range n.Findings {
		words = append(words, f.Key()+" is "+f.To)
	}
	return "tell " + strings.Join(words, ", ")
}

func (n NoteFindings) apply(s *Snapshot, c Command) error {
	o, err := s.outbox()
	if err != nil {
		return err
	}
	noted := 0
	for _, f := range n.Findings {
		if err := f.validate(); err != nil {
			return err
		}
		if f.Topic == TopicGate && o.Law < LawOfGates {
			return fmt.Errorf("%w: not every node is known to know events of gates", ErrLaw)
		}
		standing, stands := o.Stands(f.Key())
		if standing.Notice.To != f.From || !stands && f.Severity == UrgencyInfo {
			continue
		}
		o.tell(c, Notice{
			Topic: f.Topic, Subject: f.Subject, Member: f.Member, To: f.To, Severity: f.Severity, Since: f.Since,
			What: f.What, Why: f.Why, Remedy: f.Remedy, Evidence: f.Evidence,
		}, f.Severity > UrgencyInfo)
		noted++
	}
	if noted == 0 {
		return fmt.Errorf("%w: other things stand than was expected", ErrStale)
	}
	return nil
}

// NoteLeader tells who leads.
type NoteLeader struct {
	Node NodeID `json:"node"`
	Term uint64 `json:"term"`
	// Evidence is what the node saw before: whom it took for the leader, and for how
	// long nobody led.
	Evidence []string `json:"evidence,omitempty"`
}

func (n NoteLeader) String() string { return fmt.Sprintf("%s leads in term %d", n.Node, n.Term) }

func (n NoteLeader) apply(s *Snapshot, c Command) error {
	o, err := s.outbox()
	if err != nil {
		return err
	}
	if n.Term <= o.Term {
		return fmt.Errorf("%w: %s leads in term %d", ErrStale, o.Leader, o.Term)
	}
	if err := ValidName(string(n.Node)); err != nil {
		return fmt.Errorf("%w: node: %w", ErrLaw, err)
	}
	from, urgency := string(o.Leader), UrgencyInfo
	if o.Leader != "" && o.Leader != n.Node {
		urgency = UrgencyWarning
	}
	o.Leader, o.Term = n.Node, n.Term
	f := Finding{Subject: "leader", To: string(n.Node), Evidence: n.Evidence}.Clip()
	o.tell(c, Notice{
		Topic: TopicRaft, Subject: f.Subject, From: from, To: f.To, Severity: urgency, Evidence: f.Evidence,
		What: fmt.Sprintf("%s leads the nodes", n.Node), Why: cut(c.Why, maxNoticeText),
		Remedy: "if nobody asked for it: sqlring raft peers shows whether the node that led before is heard of",
	}, false)
	return nil
}

// MarkTold notes what hooks were told, and which notices no hook waits for any more.
// What is not pending any more is passed over: it was told twice, or dropped.
type MarkTold struct {
	Told  []Told   `json:"told,omitempty"`
	Clear []uint64 `json:"clear,omitempty"` // by seq
}

// Told is one hook that needs a notice no more: it was told, or could not be, or is
// silenced.
type Told struct {
	Hook     string `json:"hook"`
	Seq      uint64 `json:"seq"`
	Repeats  int    `json:"repeats,omitempty"` // above 0: of what stands, told again
	Silenced bool   `json:"silenced,omitempty"`
}

func (m MarkTold) String() string {
	return fmt.Sprintf("mark %d as told, %d as done", len(m.Told), len(m.Clear))
}

func (m MarkTold) apply(s *Snapshot, c Command) error {
	o, err := s.outbox()
	if err != nil {
		return err
	}
	for _, t := range m.Told {
		if err := ValidName(t.Hook); err != nil {
			return fmt.Errorf("%w: hook: %w", ErrLaw, err)
		}
		if i := o.pending(t.Seq); i >= 0 && t.Repeats == 0 && !slices.Contains(o.Pending[i].Done, t.Hook) {
			done := append(slices.Clone(o.Pending[i].Done), t.Hook)
			slices.Sort(done)
			o.Pending[i].Done = done
		}
		for i := range o.Standing {
			if o.Standing[i].Notice.Seq == t.Seq {
				o.Standing[i].Sent = sentTo(o.Standing[i].Sent, t, c.At.UTC())
			}
		}
	}
	for _, seq := range m.Clear {
		if i := o.pending(seq); i >= 0 {
			o.Pending = slices.Delete(o.Pending, i, i+1)
		}
	}
	return nil
}

func (o *Outbox) pending(seq uint64) int {
	return slices.IndexFunc(o.Pending, func(p Pending) bool { return p.Notice.Seq == seq })
}

func sentTo(sent []Sent, t Told, at time.Time) []Sent {
	sent = slices.DeleteFunc(slices.Clone(sent), func(s Sent) bool { return s.Hook == t.Hook })
	sent = append(sent, Sent{Hook: t.Hook, At: at, Repeats: t.Repeats, Silenced: t.Silenced})
	if n := len(sent) - maxSentHooks; n > 0 {
		sent = sent[n:]
	}
	slices.SortFunc(sent, func(a, b Sent) int { return cmp.Compare(a.Hook, b.Hook) })
	return sent
}

// AckNotice says that somebody has seen a notice. What stands by it is not told again
// until it changes.
type AckNotice struct {
	Seq uint64 `json:"seq"`
}

func (a AckNotice) String() string { return fmt.Sprintf("event %d was seen", a.Seq) }

func (a AckNotice) apply(s *Snapshot, c Command) error {
	o, err := s.outbox()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(o.History, func(n Notice) bool { return n.Seq == a.Seq })
	st := slices.IndexFunc(o.Standing, func(st Standing) bool { return st.Notice.Seq == a.Seq })
	ack := &Ack{By: c.By, At: c.At.UTC(), Why: c.Why}
	switch {
	case i < 0 && st < 0:
		return fmt.Errorf("%w: event %d is not remembered: sqlring event list", ErrStale, a.Seq)
	case i >= 0 && o.History[i].Acked != nil:
		return fmt.Errorf("%w: event %d was acknowledged by %s", ErrStale, a.Seq, o.History[i].Acked.By)
	}
	if i >= 0 {
		o.History[i].Acked = ack
	}
	if st >= 0 {
		o.Standing[st].Notice.Acked = ack
	}
	s.record(c, "ack", "", a.String())
	return nil
}

// AddSilence keeps hooks quiet about what Match matches ([ParseMatch]), for a while.
type AddSilence struct {
	Match string        `json:"match"`
	For   time.Duration `json:"for"` // from the time of the command
}

func (a AddSilence) String() string { return fmt.Sprintf("keep quiet about %s for %s", a.Match, a.For) }

func (a AddSilence) apply(s *Snapshot, c Command) error {
	o, err := s.outbox()
	if err != nil {
		return err
	}
	if _, err := ParseMatch(a.Match); err != nil {
		return fmt.Errorf("%w: %w", ErrLaw, err)
	}
	if a.For <= 0 || a.For > MaxSilenceTime {
		return fmt.Errorf("%w: a silence lasts for more than 0 s and at most %s, not %s", ErrLaw, MaxSilenceTime, a.For)
	}
	o.Silences = slices.DeleteFunc(o.Silences, func(q Silence) bool { return !c.At.Before(q.Until) })
	if len(o.Silences) >= MaxSilences {
		return fmt.Errorf("%w: there are %d silences already: sqlring hook silence --end ID", ErrLaw, MaxSilences)
	}
	id := fmt.Sprintf("s%d", o.NextSilence)
	o.NextSilence++
	o.Silences = append(o.Silences, Silence{ID: id, Match: a.Match, Until: c.At.Add(a.For).UTC(), At: c.At.UTC(), By: c.By, Why: c.Why})
	s.record(c, "silence", "", fmt.Sprintf("%s: %s", id, a))
	return nil
}

// EndSilence takes a silence away.
type EndSilence struct {
	ID string `json:"id"`
}

func (e EndSilence) String() string { return fmt.Sprintf("end silence %s", e.ID) }

func (e EndSilence) apply(s *Snapshot, c Command) error {
	o, err := s.outbox()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(o.Silences, func(q Silence) bool { return q.ID == e.ID })
	if i < 0 {
		return fmt.Errorf("%w: there is no silence %s: sqlring hook list shows them", ErrStale, e.ID)
	}
	o.Silences = slices.Delete(o.Silences, i, i+1)
	s.record(c, "silence", "", e.String())
	return nil
}

// Match says which notices a silence or a hook is for. The zero value matches all.
type Match struct {
	terms []term
}

type term struct{ field, glob string }

// ErrMatch is wrapped by the errors of [ParseMatch].
var ErrMatch = errors.New("match")

// ParseMatch reads "lag/m2", "m2", "*", "unit/*", "topic=lag,member=m1" or
// "severity=warning": terms with commas between them, all of which have to hold. A
// term without a field is held against TOPIC/SUBJECT if it has a slash, else against
// topic, subject and member; * stands for any text.
func ParseMatch(text string) (Match, error) {
	const longest = 200
	if text == "" || len(text) > longest {
		return Match{}, fmt.Errorf("%w: it is empty or longer than %d bytes: write lag/m2, member=m1 or *", ErrMatch, longest)
	}
	var m Match
	for part := range strings.SplitSeq(text, ",") {
		t := term{glob: strings.TrimSpace(part)}
		if field, glob, ok := strings.Cut(part, "="); ok {
			t = term{strings.TrimSpace(field), strings.TrimSpace(glob)}
		}
		names := map[string][]string{"topic": topicNames[:], "severity": urgencyNames[:]}[t.field]
		known := slices.Contains([]string{"", "topic", "subject", "member", "severity"}, t.field)
		switch {
		case !known:
			return Match{}, fmt.Errorf("%w %q: %q is not one of topic, subject, member, severity", ErrMatch, text, t.field)
		case t.glob == "":
			return Match{}, fmt.Errorf("%w %q: a term is empty", ErrMatch, text)
		case len(names) > 0 && !strings.Contains(t.glob, "*") && !slices.Contains(names, t.glob):
			return Match{}, fmt.Errorf("%w %q: %q is not one of %s", ErrMatch, text, t.glob, strings.Join(names, ", "))
		}
		m.terms = append(m.terms, t)
	}
	return m, nil
}

// Matches reports whether the notice is one of those.
func (m Match) Matches(n Notice) bool {
	for _, t := range m.terms {
		var fields []string
		switch t.field {
		case "topic":
			fields = []string{n.Topic.String()}
		case "subject":
			fields = []string{n.Subject}
		case "member":
			fields = []string{string(n.Member)}
		case "severity":
			fields = []string{n.weight().String()}
		default:
			if fields = []string{n.Topic.String(), n.Subject, string(n.Member)}; strings.Contains(t.glob, "/") {
				fields = []string{n.Key()}
			}
		}
		if !slices.ContainsFunc(fields, func(field string) bool { return globMatches(t.glob, field) }) {
			return false
		}
	}
	return true
}

// globMatches holds text against a pattern in which * stands for any text.
func globMatches(glob, text string) bool {
	parts := strings.Split(glob, "*")
	if len(parts) == 1 {
		return glob == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}
