package sim

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// mutationSeeds bounds the search for a seed that catches a mutation.
const mutationSeeds = 400

// mutant is a mutation, and the law that must notice it.
type mutant struct {
	Mutation

	law   string
	shape func(*Options) // what the world must be like for it to matter
}

// catching has, for each mutation, a seed that caught it once: that one is tried first.
const catching = "../../testdata/sim/catching.txt"

// TestMutations proves the laws: each of these breaks one rule, and some seed
// must notice, one on which the unbroken code holds. A lie about what is seen
// stands for code that does not look. The seed that noticed the last time is tried first:
// if it does so no more, as a change of the model or of the code may have it, all are.
func TestMutations(t *testing.T) {
	kept := caught(t)
	for _, m := range mutants() {
		t.Run(m.Name, func(t *testing.T) {
			others := map[string]int{}
			for n := range uint64(mutationSeeds + 1) {
				seed := n
				if n == 0 {
					seed = kept[m.Name] // or 0, which is a seed too
				}
				opt := Draw(seed)
				opt.Resizes = false // but for who is about them: they hide what else is the matter
				if m.shape != nil {
					m.shape(&opt)
				}
				sound := opt
				opt.Mutation = m.Mutation
				r := Run(opt)
				if r.Broken == nil || Run(sound).Broken != nil {
					continue
				}
				if r.Broken.Law != m.law {
					others[r.Broken.Law]++
					continue
				}
				t.Logf("caught by seed %d (before it by other laws: %v): %s", seed, others, r.Broken)
				if n > 0 {
					t.Logf("not by the one of %s, which was looked for anew: write %d there", catching, seed)
				}
				return
			}
			t.Errorf("%s did not notice in %d seeds; others did: %v", m.law, mutationSeeds, others)
		})
	}
}

// caught reads which seed caught which mutation: a seed and a name on each line.
func caught(t *testing.T) map[string]uint64 {
	t.Helper()
	text, err := os.ReadFile(catching)
	if err != nil {
		t.Fatal(err)
	}
	seeds := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		number, name, found := strings.Cut(strings.TrimSpace(line), " ")
		name = strings.TrimSpace(name)
		if !found {
			continue
		}
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil || !slices.ContainsFunc(mutants(), func(m mutant) bool { return m.Name == name }) {
			t.Errorf("%s: %q is not a seed and the name of a mutation", catching, line)
		}
		seeds[name] = seed
	}
	return seeds
}

// TestWhatOnlyLaterSeedsShow proves that stops, and five voters, see what nothing else does:
// in the same rings without them nobody notices.
func TestWhatOnlyLaterSeedsShow(t *testing.T) {
	tests := []struct {
		name    string
		without func(*Options)
	}{
		{"lease is over when a timer says so", func(o *Options) { o.Stops = false }},
		{"two of four others are asked", func(o *Options) { threeVoters(o); o.Every = 250 * time.Millisecond }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := slices.IndexFunc(mutants(), func(m mutant) bool { return m.Name == tt.name })
			m := mutants()[i]
			for seed := range uint64(30) {
				opt := Draw(seed)
				opt.Resizes, opt.Mutation = false, m.Mutation
				m.shape(&opt)
				tt.without(&opt)
				if r := Run(opt); r.Broken != nil {
					t.Errorf("seed %d: %s", seed, r.Broken)
				}
			}
		})
	}
}

func mutants() []mutant {
	return []mutant{
		{Mutation{Name: "both threads stop at one moment", StopBoth: true}, "I1", slowAppliers},
		{Mutation{Name: "links are changed while undrained", Seen: opened(everythingApplied), Careless: true}, "I1", slowAppliers},
		{Mutation{Name: "receiver of the lost member is not stopped", Act: skip(topology.ActStopReceiver), Seen: sees(func(_ *World, o *topology.Observation) {
			o.Link.Receiver = topology.ThreadStopped
		})}, "I10", nil},
		{Mutation{Name: "commits that wait for the dead are not freed", Act: skip(topology.ActDisarm), Seen: sees(func(_ *World, o *topology.Observation) {
			o.SemiSync.Enabled = false
		})}, "I10", nil},
		{Mutation{Name: "owner is not armed again", Act: skip(topology.ActArm), Seen: sees(func(_ *World, o *topology.Observation) {
			o.SemiSync = topology.SemiSyncStatus{Enabled: true, On: true, Ackers: 1}
		})}, "I10", nil},
		{Mutation{Name: "returning member is not closed", Act: skip(topology.ActClose), Seen: sees(func(_ *World, o *topology.Observation) {
			o.ReadOnly = true
		})}, "I10", nil},
		{Mutation{Name: "restart is not noticed", Seen: sees(admitted)}, "I10", nil},
		{Mutation{Name: "slot is reused", Act: slotOne, Seen: answering(ownSlot)}, "I2", nil},
		{Mutation{Name: "identity is not renewed", Seen: lostNothing}, "I6", nil},
		{Mutation{Name: "lease is not waited for", Seen: leasesOver}, "I5", twoProxies},
		{Mutation{Name: "proxy does not look at its lease after an OK", KeepLease: true}, "I5", twoProxies},
		{Mutation{Name: "leases of the one before are not waited for", Hasty: true}, "I5", threeVoters},
		{Mutation{Name: "deposed leader gives leases", Unverified: true}, "I5", threeVoters},
		{Mutation{Name: "lease counts from its answer", FromAnswer: true}, "I5", threeVoters},
		{Mutation{Name: "lease is over when a timer says so", ByTimer: true}, "I5", stopping},
		{Mutation{Name: "two of four others are asked", Seen: twoOthersLook}, "I11", fiveVoters},
		{Mutation{Name: "leader forgets what it gave", Seen: nothingGiven}, "I5", threeVoters},
		{Mutation{Name: "under continue every lease ends by itself", Seen: everyLeaseEnds}, "I5", continuing},
		{Mutation{Name: "what was replayed is replayed again", Unmarked: true}, "I21", replaying},
		{Mutation{Name: "sessions of before go on at a server that is taken over", KeepSessions: true}, "I10", adopting},
		{Mutation{Name: "what a server holds is not noted before it is started again", StartUnnoted: true}, "I20", adoptingFlaky},
		{Mutation{Name: "equal ids are taken for an identity", EqualIDs: true}, "I10", restless},
		{Mutation{Name: "an adopted slot is not within what was given out", AnySlot: true}, "I2", adopting},
		{Mutation{Name: "heartbeats come before their table", NoSchema: true, Seen: answering(func(w *World, o *topology.Observation) {
			if op, _ := w.log.snap.Running(); op.Cursor == topology.AdoptSchema {
				o.HasRing = true
			}
		})}, "I10", adopting},
		{Mutation{Name: "half a copy counts for a whole one", Seen: sees(func(_ *World, o *topology.Observation) {
			if o.Copy != nil && o.Copy.State == topology.CopyRunning {
				said := *o.Copy
				said.State, o.Copy = topology.CopyDone, &said
			}
		})}, "I6", growing},
		{Mutation{Name: "what was written before the ring is not noted", Unnoted: true}, "I10", withData},
		{Mutation{Name: "proxy sends a write again", Resend: true}, "P5", nil},
		{Mutation{Name: "proxy says failed where it does not know", FailedUnknown: true}, "P5", nil},
		{Mutation{Name: "receiver acknowledges before it has written", EagerAck: true}, "I1", nil},
		{Mutation{Name: "other nodes are not asked", Seen: nobodyElseLooks}, "I11", manyBlind},
		{Mutation{Name: "new owner is not waited for", Seen: opened(moverHasAll)}, "I1", planned},
		{Mutation{Name: "proxy says that nothing is under way", AlwaysQuiet: true}, "I5", plannedUnits},
		{Mutation{Name: "connections of the old owner are not ended", Act: skip(topology.ActExpel), Seen: sees(func(_ *World, o *topology.Observation) {
			o.Apps = 0
		})}, "I5", hurriedUnits},
		{Mutation{Name: "binlog of who leaves is not looked at", Seen: opened(leaverHasNothing)}, "I14", leavers},
		{Mutation{Name: "events of the old owner are not disabled", Seen: sees(func(w *World, o *topology.Observation) {
			if op, ok := w.log.snap.Running(); ok && op.Kind == topology.OperationMove && o.Member == op.Former {
				for i, e := range o.Events.List {
					if e.Status == topology.EventEnabled {
						o.Events.List[i].Status = topology.EventReplica
					}
				}
			}
		})}, "I16", plannedUnits},
		{Mutation{Name: "what the DBA has disabled is not known to be", Seen: sees(func(w *World, o *topology.Observation) {
			for i, e := range o.Events.List {
				if e.Status == topology.EventDisabled {
					o.Events.List[i].Status = topology.EventReplica
				}
			}
		})}, "I16", plannedUnits},
		{Mutation{Name: "sessions of the earlier stride are not waited for", Act: skip(topology.ActEndOlder), Seen: sees(func(_ *World, o *topology.Observation) {
			o.Renewed.Older = 0
		})}, "I2", resizing},
		{Mutation{Name: "who has which slot is not copied", Act: skip(topology.ActSlots)}, "I10", nil},
		{Mutation{Name: "what was found of a binlog is not noted", OldLaw: true}, "I22", emptying},
		{Mutation{Name: "silence alone is proof", Seen: silenceIsProof}, "I11", nil},
	}
}

// slowAppliers makes it likely that something received is not applied yet.
func slowAppliers(o *Options) {
	o.Slow, o.Double, o.Durability = true, false, topology.DurabilitySemiSync
}

// planned has units moved all the time, between members whose appliers are slow.
func planned(o *Options) {
	o.Moves, o.Slow, o.Double, o.Durability, o.Every = true, true, false, topology.DurabilitySemiSync, time.Second
}

// plannedUnits has several units moved, so that old owners are not closed.
func plannedUnits(o *Options) {
	o.Moves, o.Units, o.Members, o.Double, o.Every = true, maxUnits, 3, false, 500*time.Millisecond
	o.Durability, o.Clients = topology.DurabilitySemiSync, 5
}

// hurriedUnits has them moved with hardly a pause, under more clients: a connection that is
// left over writes only if its proxy has not cut it.
func hurriedUnits(o *Options) {
	plannedUnits(o)
	o.Every, o.Clients = 250*time.Millisecond, 8
}

// resizing has several units in a ring that is resized and grows, so that an old session
// and a slot that was opened are at work at one time.
func resizing(o *Options) {
	o.Resizes, o.Grows, o.Moves, o.Units, o.Members, o.Double, o.Every = true, 3, true, maxUnits, 3, false, time.Second
	o.Clients, o.Flaky, o.Storm = 5, 0, 60*time.Second
}

// leavers has members removed that owned units a moment ago, where appliers are slow.
func leavers(o *Options) {
	o.Leaves, o.Moves, o.Slow, o.Members, o.Double, o.Every = true, true, true, 3, false, 700*time.Millisecond
	o.Flaky, o.Storm = 0, 40*time.Second
}

// leaverHasNothing hides what only a member has that leaves, when its binlog is looked at.
func leaverHasNothing(w *World, seen topology.Observations) topology.Observations {
	op, ok := w.log.snap.Running()
	if !ok || op.Kind != topology.OperationRemove || op.Cursor != topology.RemoveVerify {
		return seen
	}
	var others topology.Position
	for _, m := range seen.Members {
		if m.Member != op.Member {
			others = others.Union(m.Position())
		}
	}
	return sees(func(_ *World, o *topology.Observation) {
		if o.Member == op.Member {
			o.Binlog = others
		}
	})(w, seen)
}

// moverHasAll has the new owner of a move say that it has what the old one has.
func moverHasAll(w *World, seen topology.Observations) topology.Observations {
	op, ok := w.log.snap.Running()
	if !ok || op.Kind != topology.OperationMove {
		return seen
	}
	old, _ := seen.Of(op.Former)
	return sees(func(_ *World, o *topology.Observation) {
		if o.Member == op.Heir {
			o.Applied = o.Applied.Union(old.Position())
		}
	})(w, seen)
}

// twoProxies has a second proxy whose owner does not wait for an acker.
func replaying(o *Options) { o.Replays, o.Updates, o.Adopts = true, true, false }

func adopting(o *Options) { o.Adopts, o.Data = true, false }

// adoptingFlaky has more statements of an adoption, and of its end, meet a fate.
func adoptingFlaky(o *Options) {
	adopting(o)
	o.Flaky, o.Storm, o.Double = 0.12, time.Second, true
}

// restless has members restarted all the time, while nodes have not seen it yet.
func restless(o *Options) { o.Nodes, o.Voters, o.Every = 4, 3, 500*time.Millisecond }

func twoProxies(o *Options) {
	o.Nodes, o.Voters, o.Members, o.Durability, o.Every = 2, 1, 3, topology.DurabilityAsync, 500*time.Millisecond
}

// threeVoters has three controllers and owners that do not wait for an acker.
func threeVoters(o *Options) {
	o.Nodes, o.Voters, o.Members, o.Durability, o.Every = 3, 3, 3, topology.DurabilityAsync, 500*time.Millisecond
}

// stopping has nodes stopped all the time.
func stopping(o *Options) {
	threeVoters(o)
	o.Stops = true
}

// fiveVoters has five controllers, and two of them lost or blind.
func fiveVoters(o *Options) {
	threeVoters(o)
	o.fiveVoters()
	o.Every = 250 * time.Millisecond
}

// twoOthersLook has a leader ask no more of the others than are enough in a ring of three.
func twoOthersLook(_ *World, seen topology.Observations) topology.Observations {
	var asked []topology.NodeID
	seen.Others = slices.DeleteFunc(slices.Clone(seen.Others), func(x topology.Sighting) bool {
		if !slices.Contains(asked, x.Node) && len(asked) < 2 {
			asked = append(asked, x.Node)
		}
		return !slices.Contains(asked, x.Node)
	})
	return seen
}

// nothingGiven has a leader not know what it gave.
func nothingGiven(_ *World, seen topology.Observations) topology.Observations {
	seen.Grants = nil
	return seen
}

// manyBlind is threeVoters in a bad network.
func growing(o *Options) { o.Grows, o.Double = 2, false }

// emptying has binlogs emptied, and the nodes that have seen it restarted.
func emptying(o *Options) {
	o.Empties, o.Members, o.Double, o.Adopts, o.Every = true, 3, false, false, time.Second
	o.Degraded = topology.DegradedAllow
}

func withData(o *Options) { o.Data = true }

func manyBlind(o *Options) {
	threeVoters(o)
	o.Every = 250 * time.Millisecond
}

func nobodyElseLooks(_ *World, seen topology.Observations) topology.Observations {
	seen.Others = nil
	return seen
}

// opened lets a lie begin when the ring is open.
func opened(lie func(*World, topology.Observations) topology.Observations) func(*World, topology.Observations) topology.Observations {
	return func(w *World, seen topology.Observations) topology.Observations {
		if len(w.log.snap.Units) == 0 {
			return seen
		}
		return lie(w, seen)
	}
}

func skip(kind topology.ActionKind) func(*World, topology.Member, topology.Action) (topology.Action, bool) {
	return func(w *World, _ topology.Member, a topology.Action) (topology.Action, bool) {
		return a, a.Kind != kind || len(w.log.snap.Units) == 0
	}
}

// sees edits each observation of a member that answers, once the ring is open;
// answering does so from the beginning.
func sees(edit func(*World, *topology.Observation)) func(*World, topology.Observations) topology.Observations {
	return opened(answering(edit))
}

func answering(edit func(*World, *topology.Observation)) func(*World, topology.Observations) topology.Observations {
	return func(w *World, seen topology.Observations) topology.Observations {
		seen.Members = slices.Clone(seen.Members)
		for i := range seen.Members {
			if seen.Members[i].Reach == topology.ReachAnswers {
				edit(w, &seen.Members[i])
			}
		}
		return seen
	}
}

func everythingApplied(w *World, seen topology.Observations) topology.Observations {
	return sees(func(_ *World, o *topology.Observation) {
		o.Applied = o.Applied.Union(o.Link.Received)
		for _, said := range seen.Writers {
			o.Applied = o.Applied.Union(said.Acked)
		}
		if op, ok := w.log.snap.Running(); ok {
			o.Applied = o.Applied.Union(op.Mark)
		}
	})(w, seen)
}

func admitted(w *World, o *topology.Observation) {
	if m, ok := w.log.snap.Member(o.Member); ok && m.State == topology.MemberActive {
		o.Boot = m.Boot
	}
}

func slotOne(_ *World, _ topology.Member, a topology.Action) (topology.Action, bool) {
	a.Layout.Offset = 1
	return a, true
}

func ownSlot(w *World, o *topology.Observation) {
	if m, ok := w.log.snap.Member(o.Member); ok && o.Layout.Offset == 1 {
		o.Layout.Offset = m.Slot
	}
}

// lostNothing hides that a returning member lacks transactions of its own.
func lostNothing(w *World, seen topology.Observations) topology.Observations {
	return sees(func(w *World, o *topology.Observation) {
		m, ok := w.log.snap.Member(o.Member)
		if !ok || m.State != topology.MemberReturning {
			return
		}
		for _, other := range seen.Members {
			if last, found := other.Position().Last(m.Identity); found {
				o.Binlog = o.Binlog.With(last)
			}
		}
	})(w, seen)
}

// leasesOver has every proxy say that it has given its lease back.
func leasesOver(w *World, seen topology.Observations) topology.Observations {
	said := seen.Writers
	seen.Writers = nil
	for _, n := range seen.Nodes {
		for _, u := range w.log.snap.Units {
			writer := topology.Writer{Node: n, Unit: u.ID, Epoch: u.Epoch, At: w.clock()}
			for _, x := range said {
				if x.Node == n && x.Unit == u.ID {
					writer.Acked, writer.Since = x.Acked, x.Since
				}
			}
			seen.Writers = append(seen.Writers, writer)
		}
	}
	return seen
}

// silenceIsProof has every neighbour confirm that a silent member is gone.
func silenceIsProof(w *World, seen topology.Observations) topology.Observations {
	return sees(func(_ *World, o *topology.Observation) {
		for _, other := range seen.Members {
			if s := w.server(other.Member); other.Reach == topology.ReachSilent && o.Link.Upstream == s.addr {
				o.Link.Receiver = topology.ThreadConnecting
			}
		}
	})(w, seen)
}
