package sim

import (
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// person does what status tells him to, where that is the truth: he accepts a
// loss only if no disk has what is missing, and stops a member whose disk has
// lost something. He returns the number of commands he gave.
func (w *World) person() int {
	why := w.laws.stuckFor
	op, under := w.log.snap.Running()
	if _, flapping, found := strings.Cut(w.lastWhy(), "at once: sqlring master rejoin "); found {
		id, _, _ := strings.Cut(flapping, " ")
		w.say("person", "lets %s in", id)
		err := w.log.commit(topology.Command{At: w.clock(), By: "dba@n1", Why: "seen to", Change: topology.BeginRejoin{Member: topology.MemberID(id)}})
		if err != nil {
			w.say("person", "is refused: %s", err)
		}
		w.leader().wake()
		return 1
	}
	if w.saysFence() {
		return 1
	}
	if n := w.letIn(); n > 0 {
		return n
	}
	if _, alone, found := strings.Cut(w.lastWhy(), "to have it stay: sqlring master resume "); found {
		id, _, _ := strings.Cut(alone, " ")
		id = strings.TrimSuffix(id, ";")
		w.say("person", "has %s stay", id)
		_ = w.order(topology.ResumeMember{Member: topology.MemberID(id)})
		return 1
	}
	switch {
	case !under || why == "":
	case strings.Contains(why, "--accept-loss") && !topology.Accepted(w.log.snap, op, w.leader().eyes.Observations(), w.clock()) && !w.onSomeDisk(op.Mark):
		w.say("person", "accepts the loss")
		err := w.log.commit(topology.Command{At: w.clock(), By: "dba@n1", Why: "no disk has it", Change: topology.Accept(w.log.snap, op, w.leader().eyes.Observations(), w.clock())})
		if err != nil {
			w.say("person", "is refused: %s", err)
		}
		w.leader().wake()
		return 1
	case strings.Contains(why, "start it again"):
		for _, s := range w.servers {
			if strings.HasPrefix(why, "member "+string(s.id)+" ") && s.power == dead {
				w.say("person", "starts %s again", s.id)
				s.boot()
				return 1
			}
		}
	case strings.Contains(why, "stop it"):
		for _, s := range w.servers {
			if strings.HasPrefix(why, "member "+string(s.id)+" ") && s.power == running {
				w.say("person", "stops %s for a while", s.id)
				s.kill()
				w.after(wholeWithin/6, func() {
					if s.power == dead {
						s.boot()
					}
				})
				return 1
			}
		}
	}
	return 0
}

// onSomeDisk reports whether the disks together hold everything up to mark.
func (w *World) onSomeDisk(mark topology.Position) bool {
	var all topology.Position
	for _, s := range w.servers {
		all = all.Union(s.disk.binlogPos)
	}
	return all.Covers(mark)
}
