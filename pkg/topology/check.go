package topology

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Severity is how bad a violation is.
type Severity uint8

// The severities.
const (
	SeverityWarning Severity = iota // the ring works, with less than was promised
	SeverityBroken                  // a promise does not hold now
)

var severityNames = [...]string{"warning", "broken"}

func (v Severity) String() string { return enumName(severityNames[:], int(v)) }

// MarshalText writes the severity's name.
func (v Severity) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a severity's name.
func (v *Severity) UnmarshalText(text []byte) error { return enumParse(severityNames[:], text, v) }

// Violation is one way in which what is seen breaks what is meant.
type Violation struct {
	Rule     string   `json:"rule"` // name of the check, stable: "link", "slot", …
	Severity Severity `json:"severity"`
	Member   MemberID `json:"member,omitempty"`
	What     string   `json:"what"`
	Remedy   string   `json:"remedy,omitempty"` // what to type or change
}

// Check lists, in ring order, where the observations break the law of the ring.
// An empty list means that every member was seen within MaxAge and all is as it
// should be: what is unknown is a violation of its own.
func Check(s *Snapshot, o Observations, now time.Time) []Violation {
	var found []Violation
	if s.Ring == nil {
		return found
	}
	for _, m := range s.Members {
		seen, ok := o.Good(m.ID, now)
		if m.State == MemberMaintained { // its server may be stopped
			continue
		}
		if seen.Held != "" && now.Sub(seen.At) <= MaxAge {
			found = append(found, Violation{
				Rule: "locks", Severity: SeverityWarning, Member: m.ID, What: seen.Held,
				Remedy: "end that connection: it is ended when a link there has to be changed (S92)",
			})
		}
		if !ok {
			found = append(found, Violation{
				Rule: "answers", Severity: SeverityBroken, Member: m.ID,
				What: "it does not answer: " + describeReach(seen, now), Remedy: cmp.Or(refill(m, seen), roomRemedy(seen)),
			})
			continue
		}
		if seen.Room.Waiting > 0 {
			found = append(found, Violation{
				Rule: "disk", Severity: SeverityBroken, Member: m.ID,
				What: fmt.Sprintf("its disk is full: %d of its threads wait for space", seen.Room.Waiting), Remedy: makeRoom,
			})
		}
		if m.State == MemberActive {
			found = append(found, checkMember(s, m, seen)...)
		}
	}
	found = append(found, checkSites(s, o, now)...)
	for _, u := range s.Units {
		if u.Owner == "" {
			found = append(found, Violation{
				Rule: "owner", Severity: SeverityBroken,
				What: fmt.Sprintf("unit %s has no owner, its writes wait", u.ID),
			})
		}
	}
	for _, u := range s.Units {
		if m, ok := s.Member(u.Owner); ok && m.SemiSync == SemiSyncDegraded {
			found = append(found, Violation{
				Rule: "semi-sync", Severity: SeverityWarning, Member: m.ID,
				What:   "its commits are not waiting for an acker, by order",
				Remedy: "it is armed again once the ring has another member: " + outOfRing(s),
			})
		}
	}
	return found
}

// outOfRing names the members that are out of the ring.
func outOfRing(s *Snapshot) string {
	names := ""
	for _, m := range s.Members {
		if m.State != MemberActive {
			names += fmt.Sprintf("%s is %s; ", m.ID, m.State)
		}
	}
	if len(s.Members) == 1 {
		return fmt.Sprintf("%s is the only one: sqlring master add", s.Members[0].ID)
	}
	if names == "" {
		return "all are in, it takes a moment"
	}
	return names[:len(names)-2]
}

func checkMember(s *Snapshot, m Member, seen Observation) []Violation {
	var found []Violation
	broken := func(rule, what, remedy string) {
		found = append(found, Violation{Rule: rule, Severity: SeverityBroken, Member: m.ID, What: what, Remedy: remedy})
	}
	owns := s.Owns(m.ID)
	if seen.Boot != m.Boot {
		broken("process", "its process is not the one that was admitted: it was restarted", "")
	}
	switch {
	case seen.Carries(m):
	case m.Source != "":
		broken("identity", fmt.Sprintf("its server_id is %d and its server_uuid %s, they should be %d and %s", seen.ServerID, seen.Settings.ServerUUID, m.Identity, m.Source), "")
	default:
		broken("identity", fmt.Sprintf("its server_id is %d and its gtid_domain_id %d, both should be %d", seen.ServerID, seen.Domain, m.Identity), "")
	}
	if want := m.Layout(s.Ring.Stride); !s.CountsAs(m, seen.Layout) {
		broken("slot", fmt.Sprintf("its auto_increment offset/increment is %s, it should be %s", seen.Layout, want), "")
	}
	if upstream, ok := s.Upstream(m.ID); ok {
		link := seen.Link
		switch {
		case link.Upstream != upstream.Addr:
			broken("link", fmt.Sprintf("it follows %q, it should follow %s", link.Upstream, upstream.ID), "")
		case link.ApplierErrno != 0:
			broken("link", fmt.Sprintf("its applier stopped with error %d: %s", link.ApplierErrno, link.ApplierError), "")
		case link.Receiver != ThreadRunning || link.Applier != ThreadRunning:
			broken("link", fmt.Sprintf("its receiver is %s, its applier %s %s", link.Receiver, link.Applier, link.ReceiverError), "")
		}
	}
	if owns && seen.ReadOnly {
		broken("closed", "it owns a unit and is read-only", "")
	}
	if !owns && !seen.ReadOnly && !m.Direct {
		broken("open", "it owns no unit and is not read-only", "")
	}
	if m.SemiSync == SemiSyncArmed && !(seen.SemiSync.Enabled && seen.SemiSync.On && seen.SemiSync.Ackers > 0) {
		broken("semi-sync", "its commits are not waiting for its acker, and nobody ordered that", "")
	}
	if missing := unsafeStatics(seen); len(missing) > 0 {
		found = append(found, Violation{
			Rule: "config file", Severity: SeverityWarning, Member: m.ID,
			What:   fmt.Sprintf("its config file lacks %v", missing),
			Remedy: fmt.Sprintf("add the lines under [%s]; a restart without them would come up open", seen.Version.Section()),
		})
	}
	return slices.Concat(found, checkSuperReadOnly(s, m, seen), checkSlots(s, m, seen))
}

// checkSuperReadOnly names a MySQL that somebody has closed to administrators too. It is so
// from its start, and preparing it lifts that; an owner that is closed is named anyway.
func checkSuperReadOnly(s *Snapshot, m Member, seen Observation) []Violation {
	if !seen.SuperReadOnly || !seen.Carries(m) || s.Owns(m.ID) {
		return nil
	}
	return []Violation{{
		Rule: "super_read_only", Severity: SeverityWarning, Member: m.ID,
		What:   "super_read_only is on, and nobody ordered that: it refuses sqlring's heartbeat too",
		Remedy: "find out who sets it, and SET GLOBAL super_read_only=0 there; read_only stays on",
	}}
}
