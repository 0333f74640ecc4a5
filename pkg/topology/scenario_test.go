package topology

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

var update = flag.Bool("update", false, "rewrite the transcripts under testdata/topology")

// TestScenarios runs every file of testdata/topology. A file is a list of
// blocks: comments that tell the story, commands, "----", the transcript that
// they must give, an empty line.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../testdata/topology/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newScenario().play(t, string(data))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(data) {
				t.Errorf("transcript of %s differs (go test -update rewrites it):\n%s", file, diff(string(data), got))
			}
		})
	}
}

func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "", ""
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\n- %s\n+ %s", i+1, a, b)
		}
	}
	return "equal"
}

// scenario is a snapshot, what is seen, and a clock that the file moves.
type scenario struct {
	snap *Snapshot
	obs  Observations
	now  time.Time
	tail Tail // what a read of a binlog finds
	sum  ReplaySum
}

func newScenario() *scenario {
	return &scenario{snap: NewSnapshot(), now: time.Unix(1_700_000_000, 0).UTC()}
}

func (sc *scenario) play(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	inTranscript := false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case inTranscript && trimmed != "":
			continue // the old transcript; the new one was written already
		case inTranscript:
			inTranscript = false
			out.WriteString(line)
		case trimmed == "----":
			inTranscript = true
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
			out.WriteString(line)
		default:
			out.WriteString(line)
			out.WriteString("----\n" + sc.command(t, strings.Fields(trimmed)))
		}
	}
	return out.String()
}

func (sc *scenario) command(t *testing.T, f []string) string {
	t.Helper()
	args := map[string]string{}
	var names []string
	for _, word := range f[1:] {
		if k, v, ok := strings.Cut(word, "="); ok {
			args[k] = v
		} else {
			names = append(names, word)
		}
	}
	switch f[0] {
	case "init":
		return sc.apply(initFrom(t, args, names))
	case "advance":
		return sc.apply(AdvanceOperation{OperationID(args["op"]), Cursor(args["from"]), Cursor(args["to"])})
	case "abort":
		return sc.apply(AbortOperation{OperationID(names[0])})
	case "semisync":
		var from, to SemiSync
		parse(t, from.UnmarshalText, args["from"])
		parse(t, to.UnmarshalText, args["to"])
		return sc.apply(OrderSemiSync{MemberID(names[0]), from, to})
	case "seen":
		for _, name := range names {
			sc.see(t, MemberID(name), args)
		}
		return "ok\n"
	case "nodes":
		for _, name := range names {
			sc.obs.Nodes = append(sc.obs.Nodes, NodeID(name))
		}
		return "ok\n"
	case "writer":
		sc.writer(t, NodeID(names[0]), args)
		return "ok\n"
	case "restart":
		seen, _ := sc.obs.Of(MemberID(names[0]))
		sc.obs = sc.obs.With(restarted(seen, sc.now))
		return "ok\n"
	case "tail":
		sc.tail = Tail{Why: "update of shop.stock", Transactions: 3, File: "tail-m1.sql"}
		parse(t, sc.tail.Verdict.UnmarshalText, strings.Join(names, " "))
		return "ok\n"
	case "divide":
		return sc.apply(BeginDivide{Unit: UnitID(names[0])})
	case "join":
		return sc.apply(BeginJoin{Unit: UnitID(names[0])})
	case "pin":
		return sc.apply(PinUnit{Unit: UnitID(names[0])})
	case "unpin":
		return sc.apply(UnpinUnit{Unit: UnitID(names[0])})
	case "drain":
		return sc.apply(DrainMember{Member: MemberID(names[0])})
	case "resume":
		return sc.apply(ResumeMember{Member: MemberID(names[0])})
	case "remove", "maintenance", "forget", "give_up_leave":
		return sc.leave(t, f[0], MemberID(names[0]), args)
	case "dissolve":
		change := DissolveRing{Keep: args["keep"] == "yes", Without: args["without"] == "yes"}
		if args["open"] != "" {
			parse(t, change.Open.UnmarshalText, args["open"])
		}
		return sc.apply(change)
	case "move":
		return sc.apply(BeginMove{Unit: UnitID(names[0]), To: MemberID(args["to"])})
	case "add":
		return sc.apply(BeginAdd{
			Member: NewMember{ID: MemberID(names[0]), Addr: names[0] + ":3306"}, After: MemberID(args["after"]), Discard: args["discard"] == "yes",
		})
	case "resize":
		return sc.resize(t, names, args)
	case "reclone":
		return sc.apply(BeginReclone{Member: MemberID(names[0])})
	case "copy":
		sc.copies(t, MemberID(names[0]), args)
		return "ok\n"
	case "heal":
		return sc.apply(BeginHeal{Member: MemberID(names[0])})
	case "rejoin":
		return sc.apply(BeginRejoin{Member: MemberID(names[0]), LetFlow: args["let_flow"] == "yes", Discard: args["discard"] == "yes"})
	case "accept":
		return sc.apply(Accept(sc.snap, Operation{ID: OperationID(names[0])}, sc.obs, sc.now))
	case "events":
		return sc.events()
	case "later":
		d, err := time.ParseDuration(names[0])
		if err != nil {
			t.Fatal(err)
		}
		sc.now = sc.now.Add(d)
		return "ok\n"
	case "next":
		return Next(sc.snap, sc.obs, sc.now).String() + "\n"
	case "run":
		return sc.run(t, Cursor(args["until"]))
	case "check":
		return sc.check()
	case "state":
		return sc.state()
	}
	if out, ok := sc.moreCommands(t, f[0], names, args); ok {
		return out
	}
	t.Fatalf("unknown command %q", f[0])
	return ""
}

// copies lets the copy into a member fail, or with state=done end at a position.
func (sc *scenario) copies(t *testing.T, id MemberID, args map[string]string) {
	t.Helper()
	seen, _ := sc.obs.Of(id)
	made := *seen.Copy
	parse(t, made.State.UnmarshalText, args["state"])
	made.At, made.Error, made.Position = sc.now, args["error"], position(t, args["at"])
	seen.Copy = &made
	if made.State == CopyDone {
		seen.Applied, seen.Binlog, seen.Earlier, seen.EarlierAt = made.Position, made.Position, made.Position, sc.now.Add(-time.Millisecond)
	}
	sc.obs = sc.obs.With(seen)
}

// writer notes what a proxy says of a unit, "*" if none is named.
func (sc *scenario) writer(t *testing.T, node NodeID, args map[string]string) {
	t.Helper()
	w := Writer{
		Node: node, Unit: UnitRest, Quiet: args["quiet"] == "yes", Epoch: uint64(number(t, args["epoch"])),
		Holding: args["holding"] == "yes", Acked: position(t, args["acked"]), At: sc.now,
		Since: time.Unix(int64(len(args["restarted"])), 0),
	}
	if unit := args["unit"]; unit != "" {
		w.Unit = UnitID(unit)
	}
	sc.obs.Writers = slices.DeleteFunc(sc.obs.Writers, func(x Writer) bool { return x.Node == w.Node && x.Unit == w.Unit })
	sc.obs.Writers = append(sc.obs.Writers, w)
}

func parse(t *testing.T, into func([]byte) error, text string) {
	t.Helper()
	if err := into([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func initFrom(t *testing.T, args map[string]string, names []string) InitRing {
	t.Helper()
	change := InitRing{Name: args["ring"], Data: args["data"] == "yes"}
	if s, ok := args["stride"]; ok {
		change.Stride = number(t, s)
	}
	if args["durability"] == "async" {
		change.Durability = DurabilityAsync
	}
	if args["degraded"] == "refuse" {
		change.Degraded = DegradedRefuse
	}
	for _, name := range names {
		id, addr, ok := strings.Cut(name, "@")
		if !ok {
			addr = id + ":3306"
		}
		change.Members = append(change.Members, NewMember{ID: MemberID(id), Addr: addr})
	}
	return change
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (sc *scenario) apply(change Change) string { return sc.applyBy("dba@n1", change) }

func (sc *scenario) applyBy(who string, change Change) string {
	next, err := Apply(sc.snap, Command{Index: sc.snap.Index + 1, At: sc.now, By: who, Change: change})
	if err != nil {
		return err.Error() + "\n"
	}
	sc.snap = next
	return "ok\n"
}

// see notes an observation of now: what was seen of the member before, or an
// empty closed server, with the arguments on top.
func (sc *scenario) see(t *testing.T, id MemberID, args map[string]string) {
	t.Helper()
	seen, ok := sc.obs.Of(id)
	if !ok || args["empty"] == "yes" {
		seen = emptyServer(id)
	}
	before := seen
	seen.Asked, seen.At, seen.Reach = sc.now, sc.now, ReachAnswers
	for key, value := range args {
		switch key {
		case "empty":
		case "reach":
			parse(t, seen.Reach.UnmarshalText, value)
			seen.Since = sc.now
		case "again": // what was seen before is remembered, as the monitor does
			defer func() { sc.obs = sc.obs.With(seen.After(before)) }()
		case "login":
			seen.Reach = ReachDenied
		case "applier":
			parse(t, seen.Link.Applier.UnmarshalText, value)
		case "received":
			seen.Link.Received = position(t, value)
		case "older": // connections from before the layout was set
			seen.Renewed.Older = number(t, value)
		case "waits": // so many threads wait for space on its disk
			seen.Room.Waiting = number(t, value)
		case "busy":
			seen.Busy = number(t, value)
		case "apps":
			seen.Apps = number(t, value)
		case "apps_to":
			seen.AppsFrom, seen.AppsTo = 1, uint64(number(t, value))
		case "readonly":
			seen.ReadOnly = value == "yes"
		case "boot":
			seen.Boot = uint64(number(t, value))
		case "offset":
			seen.Layout.Offset = number(t, value)
		case "schemas":
			seen.Schemas = strings.Split(value, ",")
		case "version":
			v, err := ParseVersion(value)
			if err != nil {
				t.Fatal(err)
			}
			seen.Version = v
		case "readonly_in_file":
			seen.Settings.ReadOnlyInFile = value == "yes"
		case "receiver":
			parse(t, seen.Link.Receiver.UnmarshalText, value)
			seen.Link.Since, seen.Link.Lost = sc.now, seen.Link.Receiver == ThreadConnecting
		case "receiver_errno":
			seen.Link.ReceiverErrno, seen.Link.ReceiverError = number(t, value), "error "+value
		case "applier_errno":
			seen.Link.Applier, seen.Link.ApplierErrno = ThreadStopped, number(t, value)
		case "ackers":
			seen.SemiSync.Ackers = number(t, value)
		case "waiting":
			seen.SemiSync.Waiting = number(t, value)
		case "semisync":
			seen.SemiSync.On, seen.SemiSync.Enabled = value == "on", value == "on"
		case "events", "firing", "scheduler", "trouble":
			seen.Events = eventsSeen(t, seen.Events, key, value, sc.now)
		case "binlog":
			seen.Binlog = position(t, value)
		case "applied":
			seen.Applied = position(t, value)
		default:
			t.Fatalf("unknown argument %q", key)
		}
	}
	sc.obs = sc.obs.With(seen)
}

func position(t *testing.T, text string) Position {
	t.Helper()
	p, err := ParsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func emptyServer(id MemberID) Observation {
	return Observation{
		Member:   id,
		Version:  ServerVersion{FlavourMariaDB, 10, 11, 19},
		ServerID: 1, ReadOnly: true, Layout: autoinc.Layout{Offset: 1, Stride: 1},
		Settings: Settings{LogBin: true, LogReplica: true, RowFormat: true, ReadOnlyInFile: true, LogReplicaInFile: true},
	}
}

// run takes steps, each with its perfect effect, until there is nothing to do.
func (sc *scenario) run(t *testing.T, until Cursor) string {
	t.Helper()
	var out strings.Builder
	for range 100 {
		if op, _ := sc.snap.Running(); until != "" && op.Cursor == until {
			return out.String()
		}
		for _, m := range sc.snap.Members {
			if seen, _ := sc.obs.Of(m.ID); sc.now.Sub(seen.At) <= MaxAge {
				seen.Asked, seen.At = sc.now, sc.now
				sc.obs = sc.obs.With(seen)
			}
		}
		sc.now = sc.now.Add(time.Millisecond)
		sc.askAgain()
		step := Next(sc.snap, sc.obs, sc.now)
		out.WriteString(step.String() + "\n")
		switch step.Kind {
		case StepDo:
			seen, _ := sc.obs.Of(step.Member)
			if m, _ := sc.snap.Member(step.Member); step.Action.Kind == ActFollow && step.Action.Identity != m.Identity {
				t.Errorf("%s: the identity that was issued is %d, the action says %d", step, m.Identity, step.Action.Identity) // the server refuses it (S99)
			}
			sc.obs = sc.obs.With(sc.effect(seen, step.Action))
		case StepCommit:
			if text := sc.applyBy(ByController+"n1", step.Change); text != "ok\n" {
				out.WriteString(text)
				return out.String()
			}
		case StepIdle, StepWait, StepStuck:
			return out.String()
		}
	}
	t.Fatal("no end after 100 steps")
	return ""
}

// askAgain lets every position be read after every other one, as
// two rounds of probes do.
func (sc *scenario) askAgain() {
	for _, m := range sc.obs.Members {
		if sc.now.Sub(m.At) <= MaxAge {
			m.Asked = sc.now
			sc.obs = sc.obs.With(m)
		}
	}
}

// restarted is a MariaDB that a supervisor started again: everything that was
// set by SQL is gone, its data and its link's coordinates are there.
func restarted(seen Observation, now time.Time) Observation {
	fresh := emptyServer(seen.Member)
	fresh.Asked, fresh.At, fresh.Since, fresh.Reach = now, now, now, ReachAnswers
	fresh.HasRing, fresh.Binlog, fresh.Applied = seen.HasRing, seen.Binlog, seen.Applied
	fresh.Link.Upstream = seen.Link.Upstream
	if fresh.Link.Upstream != "" {
		fresh.Link.Receiver, fresh.Link.Applier = ThreadStopped, ThreadStopped
	}
	return fresh
}

func (sc *scenario) events() string {
	var out strings.Builder
	for _, e := range sc.snap.Events {
		fmt.Fprintf(&out, "%d %s %s: %s\n", e.Index, e.Kind, e.Member, e.What)
	}
	return out.String()
}

// effect is what a healthy server shows after an action.
func (sc *scenario) effect(seen Observation, a Action) Observation {
	switch a.Kind {
	case ActPrepare:
		seen.ServerID, seen.Domain, seen.Layout = a.Identity, a.Identity, a.Layout
		seen.HasRing, seen.ReadOnly = true, true
		v := &seen.Settings
		v.GTIDStrict, v.IgnoreDuplicates, v.StrictDDL, v.NetTimeout = true, true, true, 2
		v.EndlessWait, v.AfterSync = true, true
		if a.Live {
			seen.ReadOnly, seen.Applied = false, seen.Applied.Union(seen.Binlog)
			seen.Beats = append(slices.Clone(seen.Beats), Beat{Origin: seen.Member, Node: "n1", Seq: 1})
		}
	case ActCopy:
		attempts := 1
		if seen.Copy != nil && seen.Copy.ID == a.Copy.ID {
			attempts = seen.Copy.Attempts + 1
		}
		seen.Schemas = nil
		seen.Copy = &CopyProgress{ID: a.Copy.ID, From: a.Copy.Name, State: CopyRunning, Began: sc.now, At: sc.now, Attempts: attempts}
	case ActFollow:
		seen.Link = Link{Upstream: a.Upstream, Receiver: ThreadRunning, Applier: ThreadRunning}
		seen.Settings.AckerEnabled, seen.SemiSync.Acking = a.Acker, a.Acker
		if up, _ := sc.obs.Of(a.UpstreamName); a.Acker {
			up.SemiSync.Ackers = 1
			sc.obs = sc.obs.With(up)
		}
		for _, m := range sc.snap.Members {
			seen.Beats = append(slices.Clone(seen.Beats), Beat{Origin: m.ID, Node: "n1", Seq: 1})
		}
	case ActEndCopy:
		ended := *seen.Copy
		ended.State = CopyFailed
		seen.Copy = &ended
	case ActStopReceiver:
		seen.Link.Receiver = ThreadStopped
	case ActDetach:
		seen.Link = Link{}
	case ActArm:
		seen.SemiSync.Enabled, seen.SemiSync.On, seen.SemiSync.Ackers = true, true, 1
	case ActDisarm:
		seen.SemiSync = SemiSyncStatus{Acking: seen.SemiSync.Acking, Ackers: seen.SemiSync.Ackers}
	case ActOpen:
		seen.ReadOnly, seen.Boot = false, a.Boot
	case ActClose:
		seen.ReadOnly = true
	case ActStamp:
		seen.Boot = a.Boot
	case ActExpel:
		seen.Apps = 0
	case ActReadTail:
		tail := sc.tail
		tail.Cut, tail.End = a.After, seen.Binlog
		seen.Tail = &tail
	case ActSlot:
		seen.Layout, seen.Renewed = a.Layout, Renewal{Stride: a.Layout.Stride, Below: 1000, Older: seen.Apps}
	case ActEndOlder:
		seen.Renewed.Older, seen.Apps = 0, 0
	case ActRetire:
		seen.HasRing = false
	case ActEvents:
		seen.Events = eventsAfter(seen.Events, a.Events)
	case ActNone:
	case ActSchema, ActAdopt, ActStart, ActReplay, ActSlots:
		return sc.moreEffect(seen, a)
	}
	return seen
}

func (sc *scenario) check() string {
	found := Check(sc.snap, sc.obs, sc.now)
	if len(found) == 0 {
		return "nothing\n"
	}
	var out strings.Builder
	for _, v := range found {
		fmt.Fprintf(&out, "%s %s %s: %s\n", v.Severity, v.Rule, v.Member, v.What)
	}
	return out.String()
}

func (sc *scenario) state() string {
	var out strings.Builder
	for _, m := range sc.snap.Members {
		fmt.Fprintf(&out, "%s %s identity=%d slot=%d boot=%d semisync=%s\n", m.ID, m.State, m.Identity, m.Slot, m.Boot, m.SemiSync)
	}
	for _, u := range sc.snap.Units {
		fmt.Fprintf(&out, "unit %s owner=%q epoch=%d%s\n", u.ID, u.Owner, u.Epoch, map[bool]string{true: " draining"}[u.Draining])
	}
	for _, m := range sc.snap.Tombstones {
		fmt.Fprintf(&out, "tombstone %s slot=%d last=%q unread=%t\n", m.Member, m.Slot, m.Last, m.Unread)
	}
	for _, op := range sc.snap.Operations {
		fmt.Fprintf(&out, "%s %s %s %s at %q\n", op.ID, op.Kind, op.Member, op.State, op.Cursor)
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}
