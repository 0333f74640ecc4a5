package topology

import (
	"strings"
	"testing"
	"time"
)

// TestWhoHasMoreAndDoesNotCountIsNamed: whoever is asked to accept a loss is told which member
// answers and has more than the heir, up to where, and why it does not count.
func TestWhoHasMoreAndDoesNotCountIsNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		edit   func(m2, m4 *Member)
		has    string // m2's binlog
		silent bool   // m4
		unsure bool
		want   string // "": nobody has more
	}{
		"no more than the heir":                   {has: "101-101-30", silent: true},
		"only what nobody awaits":                 {has: "101-101-30,102-102-9", silent: true},
		"another is silent":                       {has: "101-101-43", silent: true, want: "m2 answers and has it up to 101-101-43, but does not count: m4 does not answer, and may have more of m2's own than m2 has: bring m4 back"},
		"no further than asked":                   {has: "101-101-49", silent: true, want: "m2 answers and has it up to 101-101-44, but"},
		"more is asked for":                       {has: "101-101-49", unsure: true, want: "m2 answers and has it up to 101-101-49, but does not count: its disk has its own transactions up to 0, and m4 has them up to 7"},
		"another has more of it":                  {has: "101-101-43,102-102-6", want: "its disk has its own transactions up to 6, and m4 has them up to 7"},
		"quarantined":                             {has: "101-101-43", edit: func(m2, _ *Member) { m2.State = MemberQuarantined }, want: "its state is quarantined (sqlring why m2)"},
		"restarted":                               {has: "101-101-43", unsure: true, edit: func(m2, _ *Member) { m2.State = MemberActive }, want: "it was restarted, and what it had received and not applied is gone"},
		"emptied":                                 {has: "101-101-43,102-102-7", edit: func(m2, _ *Member) { m2.Emptied = "RESET MASTER" }, want: "its binlog was emptied"},
		"of one that is out":                      {has: "101-101-43,102-102-7,109-109-3", want: "nobody else has what it holds beyond 109-109-0, which has to be judged"},
		"another in the ring has more of its own": {has: "101-101-43", edit: func(_, m4 *Member) { m4.State = MemberActive }, want: "m4 has them up to 7"},
	} {
		now := time.Unix(1000, 0)
		m2 := Member{ID: "m2", Identity: 102, State: MemberDown, Boot: 2, Cut: position(t, "102-102-7")}
		m4 := Member{ID: "m4", Identity: 104, State: MemberDown, Boot: 4}
		if tt.edit != nil {
			tt.edit(&m2, &m4)
		}
		lost, heir := Member{ID: "m1", Identity: 101, State: MemberDown}, Member{ID: "m3", Identity: 103, State: MemberActive}
		o := Observations{}
		for id, binlog := range map[MemberID]string{"m1": "101-101-20", "m2": tt.has, "m3": "101-101-30,103-103-4", "m4": "101-101-20,102-102-7"} {
			seen := Observation{Member: id, Reach: ReachAnswers, Asked: now, At: now, Binlog: position(t, binlog)}
			if id == "m4" && tt.silent {
				seen.Reach = ReachSilent
			}
			o = o.With(seen)
		}
		h := heal{
			s: &Snapshot{Ring: &Ring{}, Members: []Member{lost, m2, heir, m4}}, op: Operation{Mark: position(t, "101-101-44")}, lost: lost,
			alive: []Member{heir}, o: o, now: now,
		}
		step := h.missedMark("m3", position(t, "101-101-44"))
		if tt.unsure {
			step = h.missedAcker("m3")
		}
		if names := strings.Contains(step.Why, "m2 answers"); names != (tt.want != "") || !strings.Contains(step.Why, tt.want) {
			t.Errorf("%s: %s", name, step)
		}
		if !step.Loss || !strings.HasSuffix(step.Why, "sqlring ring heal --accept-loss") || !strings.Contains(step.Why, "bring m1 back") {
			t.Errorf("%s: it does not say what ends it: %s", name, step)
		}
	}
}
