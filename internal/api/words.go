package api

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// words says what each step of an operation is for. The plan files of package
// topology list the steps.
func words(kind topology.OperationKind) map[topology.Cursor]string {
	switch kind {
	case topology.OperationInit:
		return map[topology.Cursor]string{
			topology.InitPreflight: "every server must answer, be empty, and boot closed",
			topology.InitPrepare:   "each server is closed, and gets its identity, slot and settings",
			topology.InitLink:      "each server follows the one before it",
			topology.InitVerify:    "the heartbeat of each server must arrive at every other one",
			topology.InitOpen:      "semi-sync is armed, and the owner is opened",
		}
	case topology.OperationHeal:
		return map[topology.Cursor]string{
			topology.HealLeases: "every proxy gives its lease back, or it runs out; how far writes were acknowledged is recorded",
			topology.HealFreeze: "nothing more may come from the lost member, and nobody waits for its acknowledgement",
			topology.HealDrain:  "survivors apply what they received; the heir must have everything that was acknowledged",
			topology.HealWire:   "the ring is closed without the lost member",
			topology.HealOpen:   "the heir is opened, and gets the units",
		}
	case topology.OperationRejoin:
		return map[topology.Cursor]string{
			topology.RejoinJudge:   "it is closed; what only it holds is read and judged",
			topology.RejoinPrepare: "it gets its identity, slot and settings",
			topology.RejoinCatchUp: "it follows its upstream until it has what that has",
			topology.RejoinSplice:  "its downstream follows it",
			topology.RejoinAdmit:   "it is verified once more, and in the ring",
		}
	case topology.OperationRestart:
		return restartWords()
	case topology.OperationMove, topology.OperationDivide, topology.OperationJoin:
		return plannedWords(kind)
	case topology.OperationRemove, topology.OperationMaintain:
		return map[topology.Cursor]string{
			topology.RemoveClose:   "it is closed; what is read there may end",
			topology.RemoveCatchUp: "each other member must have all that it has",
			topology.RemoveWire:    "its downstream follows its upstream",
			topology.RemoveDetach:  "it follows nobody, and connections of applications are ended",
			topology.RemoveVerify:  "its binlog is held against what the others have",
			topology.RemoveClean:   "what sqlring has put there is removed",
		}
	case topology.OperationDissolve:
		return map[topology.Cursor]string{
			topology.DissolveDrain:   "proxies let what was begun end, and begin nothing",
			topology.DissolveFence:   "every proxy gives its leases back, or they run out",
			topology.DissolveSettle:  "all are closed, and each must have all that the others have",
			topology.DissolveDetach:  "nobody follows anybody",
			topology.DissolveClean:   "what sqlring has put there is removed",
			topology.DissolveOpening: "who is to take writes is opened",
		}
	case topology.OperationAdd, topology.OperationReclone:
		return addWords()
	case topology.OperationResize:
		return map[topology.Cursor]string{
			topology.ResizeSwitch: "each member gives the later stride to whoever connects",
			topology.ResizeSweep:  "sessions of the earlier stride may end, and are ended when the grace is over",
			topology.ResizeMark:   "what the members have is read once more",
			topology.ResizeSettle: "every member must have all of that",
		}
	case topology.OperationAdopt:
		return adoptWords()
	case topology.OperationReplay:
		return replayWords()
	case topology.OperationNone:
	}
	return nil
}

// plannedWords is words for what moves, makes or joins a unit.
func plannedWords(kind topology.OperationKind) map[topology.Cursor]string {
	switch kind {
	case topology.OperationMove:
		return map[topology.Cursor]string{
			topology.MoveReady:   "the new owner must be linked, have caught up, and have its acker; it is opened",
			topology.MoveDrain:   "proxies let what was begun in the unit end, and begin nothing in it",
			topology.MoveFence:   "every proxy gives its lease back, and nothing of the ended epoch is under way",
			topology.MoveExpel:   "connections that may carry a write of the ended epoch are ended",
			topology.MoveCatchUp: "the new owner must have all that the old one has; it is armed",
			topology.MoveBack:    "the old owner is opened again, and gets the unit back",
		}
	case topology.OperationDivide:
		return map[topology.Cursor]string{
			topology.MoveDrain: "proxies let what was begun in * end, and begin nothing in it",
			topology.MoveFence: "every proxy gives its lease on * back, and nothing of the ended epoch is under way",
			topology.MoveExpel: "connections that may carry a write of the ended epoch are ended",
			topology.MoveBack:  "the owner gets * back, undivided",
		}
	case topology.OperationJoin:
		return map[topology.Cursor]string{
			topology.MoveDrain: "proxies let what was begun in the unit and in * end, and begin nothing in them",
			topology.MoveFence: "every proxy gives its leases on them back, and nothing of the ended epochs is under way",
			topology.MoveExpel: "connections that may carry a write of the ended epochs are ended",
			topology.MoveBack:  "the owner gets both back, as they were",
		}
	}
	return nil
}

func restartWords() map[topology.Cursor]string {
	return map[topology.Cursor]string{
		topology.RestartPrepare: "each member gets its identity, slot and settings again",
		topology.RestartLink:    "each member follows the one before it",
		topology.RestartOpen:    "semi-sync is armed, and who owned a unit before is opened",
	}
}

func addWords() map[topology.Cursor]string {
	return map[topology.Cursor]string{
		topology.AddPreflight: "it must answer, fit, and hold nothing that is not given up; if this was begun before, it is compared with the ring",
		topology.AddPrepare:   "it is closed, and gets its identity, slot and settings",
		topology.AddCopy:      "it gets a member's data, as of a snapshot; each chunk is compared",
		topology.AddCatchUp:   "it follows the member before it until it has what that has",
		topology.AddSplice:    "the member behind it follows it; from here there is no way back",
		topology.AddAdmit:     "it is verified once more, and in the ring",
		topology.AddBack:      "it is detached, and leaves",
	}
}

func adoptWords() map[topology.Cursor]string {
	return map[topology.Cursor]string{
		topology.AdoptPreflight: "every server must answer, fit, and replicate in a circle with the others",
		topology.AdoptSchema:    "each server gets the schema sqlring and the replication account",
		topology.AdoptTake:      "one after the other gets its identity, slot and settings, and follows the one before it by sqlring's account",
		topology.AdoptVerify:    "the heartbeat of each server must arrive at every other one",
		topology.AdoptOpen:      "semi-sync is armed; then proxies may write",
		topology.AdoptBack:      "whoever does not receive is started again, as before",
	}
}

func replayWords() map[topology.Cursor]string {
	return map[topology.Cursor]string{
		topology.ReplayJudge: "it is shut, so that what it holds does not grow",
		topology.ReplayWrite: "each transaction that only it holds, and that does not conflict, is written anew at the owner",
	}
}

// cursorWords says what one step is for; empty for a step that this release does
// not know.
func cursorWords(kind topology.OperationKind, at topology.Cursor) string { return words(kind)[at] }

// purpose says what an operation is for, as the middle of a sentence.
func purpose(op topology.Operation) string {
	switch op.Kind {
	case topology.OperationInit:
		return "makes the ring"
	case topology.OperationHeal:
		return fmt.Sprintf("heals the loss of %s", op.Member)
	case topology.OperationRejoin:
		return fmt.Sprintf("lets %s back in", op.Member)
	case topology.OperationRestart:
		return "brings the ring up again"
	case topology.OperationMove:
		return fmt.Sprintf("moves unit %s from %s to %s", op.Unit, op.Former, op.Heir)
	case topology.OperationDivide:
		return fmt.Sprintf("makes schema %s a unit", op.Unit)
	case topology.OperationJoin:
		return fmt.Sprintf("joins unit %s to %s", op.Unit, topology.UnitRest)
	case topology.OperationRemove:
		return fmt.Sprintf("removes %s", op.Member)
	case topology.OperationMaintain:
		return fmt.Sprintf("takes %s out for maintenance", op.Member)
	case topology.OperationDissolve:
		return "dissolves the ring"
	case topology.OperationAdd:
		return fmt.Sprintf("adds %s to the ring", op.Member)
	case topology.OperationReclone:
		return fmt.Sprintf("copies a member's data to %s anew", op.Member)
	case topology.OperationResize:
		return "gives the ring another stride"
	case topology.OperationAdopt:
		return "makes a ring of servers that replicate already"
	case topology.OperationReplay:
		return fmt.Sprintf("replays what only %s holds", op.Member)
	case topology.OperationNone:
	}
	return "is of a kind that this release does not know"
}

// Span says a duration for people: "3.2 s", "4 min 12 s", "5 h 3 min".
func Span(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// transactions counts in words.
func transactions(n uint64) string {
	if n == 1 {
		return "1 transaction"
	}
	return fmt.Sprintf("%d transactions", n)
}
