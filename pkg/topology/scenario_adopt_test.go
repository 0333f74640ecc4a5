package topology

import (
	"strings"
	"testing"
	"time"
)

// moreCommands are those about circles that are adopted, about replays, and about binlogs that
// are emptied.
func (sc *scenario) moreCommands(t *testing.T, name string, names []string, args map[string]string) (out string, ok bool) {
	t.Helper()
	switch name {
	case "circle": // as a person builds it: ids and classes of each, all open
		for i, id := range names {
			seen := emptyServer(MemberID(id))
			seen.Asked, seen.At, seen.Reach = sc.now, sc.now, ReachAnswers
			seen.ServerID, seen.Domain, seen.ReadOnly = uint32(11+i), uint32(21+i), false
			seen.Layout.Offset, seen.Layout.Stride = i+1, number(t, args["stride"])
			seen.Schemas = []string{"shop"}
			seen.Binlog = position(t, args["at"])
			seen.Applied = seen.Binlog
			seen.Link = Link{Upstream: names[(i+len(names)-1)%len(names)] + ":3306", Receiver: ThreadRunning, Applier: ThreadRunning, Received: seen.Binlog}
			seen.SemiSync.Replicas = []uint32{uint32(11 + (i+1)%len(names))}
			sc.obs = sc.obs.With(seen)
		}
		return "ok\n", true
	case "adopt":
		change := AdoptRing{Name: args["ring"], Stride: number(t, args["stride"]), Boots: args["boots"] == "yes"}
		for i, id := range names {
			change.Members = append(change.Members, AdoptedMember{NewMember{ID: MemberID(id), Addr: id + ":3306"}, i + 1})
		}
		return sc.apply(change), true
	case "plain": // a link by file and position
		seen, _ := sc.obs.Of(MemberID(names[0]))
		seen.Link.Plain = args["gtid"] != "yes"
		sc.obs = sc.obs.With(seen)
		return "ok\n", true
	case "isolation":
		var change SetIsolation
		parse(t, change.To.UnmarshalText, strings.Join(names, ""))
		return sc.apply(change), true
	case "close_direct":
		return sc.apply(CloseDirect{Member: MemberID(strings.Join(names, ""))}), true
	case "replay":
		return sc.apply(BeginReplay{Member: MemberID(names[0])}), true
	case "law": // every node knows the latest
		sc.applyBy(ByController+"n1", OpenOutbox{})
		return sc.applyBy(ByController+"n1", RaiseLaw{To: Law}), true
	case "newcomer": // who leads now has seen nothing before
		for _, seen := range sc.obs.Members {
			seen.Past, seen.Earlier, seen.EarlierAt = Past{}, nil, time.Time{}
			sc.obs = sc.obs.With(seen.After(Observation{}))
		}
		return "ok\n", true
	case "replays": // what comes of the next replay
		sc.sum = ReplaySum{Replayed: number(t, args["replayed"]), Conflicts: number(t, args["conflicts"]), First: "101-101-9: the ring has such a row", File: "replay-m1.jsonl"}
		return "ok\n", true
	}
	return "", false
}

// moreEffect is what a healthy server shows after an action of those.
func (sc *scenario) moreEffect(seen Observation, a Action) Observation {
	switch a.Kind {
	case ActSchema:
		seen.HasRing = true
	case ActAdopt:
		readOnly := seen.ReadOnly
		seen = sc.effect(seen, Action{Kind: ActPrepare, Identity: a.Identity, Layout: a.Layout})
		seen.ReadOnly, seen.Boot, seen.Applied, seen.Link = readOnly, a.Boot, seen.Applied.Union(seen.Binlog), Link{}
		seen.Settings.ReadOnlyInFile, seen.SemiSync.Replicas = true, nil
		seen.Beats = append(seen.Beats, Beat{Origin: seen.Member, Node: "n1", Seq: 1})
	case ActStart:
		seen.Link.Receiver, seen.Link.Applier = ThreadRunning, ThreadRunning
	case ActSlots:
		seen.Slots = SlotsSeen{Looked: true, Sum: a.Slots.Sum(), Ring: a.Slots.Ring, Stride: a.Slots.Stride, Next: a.Slots.Next}
	case ActReplay:
		seen.Replay = &Replay{Operation: a.Replay.Operation, Cut: a.After, End: seen.Binlog, Sum: sc.sum}
	}
	return seen
}
