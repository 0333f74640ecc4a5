package topology

import (
	"fmt"
	"slices"
	"time"
)

// Room is what a server says of the disk that its binlog and relay log are on. A
// MariaDB or MySQL that finds it full does not fail: the thread that writes waits, looks
// again once a minute, and whoever commits waits behind it. Questions are answered all
// the while. The zero value: nobody waits.
type Room struct {
	Waiting int       `json:"waiting,omitempty"` // threads that wait for somebody to free space
	Since   time.Time `json:"since,omitzero"`    // since when every probe has seen some, and nothing written
}

// lasting returns r with Since: that of the probe before if some waited then and nothing
// was written in between, not even a heartbeat, else the time of this one. A session that
// fills another file system, that of tmpdir, waits too, and nobody behind it. What is
// received counts only while commits wait for an acknowledgement: a relay log that stands
// elsewhere goes on while the binlog's disk is full.
func (r Room) lasting(before, o Observation) Room {
	r.Since = time.Time{}
	if r.Waiting == 0 {
		return r
	}
	r.Since = o.At
	moved := !equal(before.Position(), o.Position())
	if o.SemiSync.Waiting > 0 { // what waits for an ack was written, and the heartbeats wait behind it
		moved = moved || !equal(before.Link.Received, o.Link.Received)
	}
	moved = moved && before.Reach == ReachAnswers && o.Reach == ReachAnswers
	if before.Room.Waiting > 0 && !before.Room.Since.IsZero() && !moved {
		r.Since = before.Room.Since
	}
	return r
}

func equal(a, b Position) bool { return a.Covers(b) && b.Covers(a) }

// fullFor is how long a member must have waited for room before it is judged: its own
// word is quick evidence, and the wait itself lasts a minute.
const fullFor = 2 * time.Second

// full reports whether the member has waited for room for long enough.
func (r Room) full(now time.Time) bool {
	return r.Waiting > 0 && !r.Since.IsZero() && now.Sub(r.Since) >= fullFor
}

// makeRoom is the way out of a full disk.
const makeRoom = "free space there, or enlarge it: the server looks again within a minute, and the rest goes by itself (docs/runbook-disk-full.md)"

// roomRemedy is makeRoom for whom it would help.
func roomRemedy(seen Observation) string {
	if seen.Room.Waiting > 0 {
		return makeRoom
	}
	return ""
}

// judgeRoom is the verdict on an active member that answers, with the process that was
// admitted. A member whose disk is full takes no write, passes none on and acknowledges
// none, and those behind it wait: it is out, if another one has room (S80).
func judgeRoom(s *Snapshot, m Member, seen Observation, o Observations, now time.Time) judgement {
	if seen.Room.Waiting == 0 {
		return judgement{why: fmt.Sprintf("member %s answers", m.ID)}
	}
	held := now.Sub(seen.Room.Since).Round(time.Millisecond)
	if !seen.Room.full(now) {
		return judgement{why: fmt.Sprintf("member %s answers, and has waited for room on its disk for %s", m.ID, held)}
	}
	for _, other := range s.Members {
		theirs, good := o.Good(other.ID, now)
		if other.ID == m.ID || other.State != MemberActive || !good || theirs.Boot != other.Boot || theirs.Room.Waiting > 0 {
			continue
		}
		return judgement{lost: true, why: fmt.Sprintf("the disk of member %s is full", m.ID), evidence: []string{
			fmt.Sprintf("%s answers, and says that %d of its threads wait for space on its disk, since %s", m.ID, seen.Room.Waiting, held),
			fmt.Sprintf("%s has room", other.ID),
		}}
	}
	return judgement{why: fmt.Sprintf("the disk of member %s is full, and no other member is known to have room: %s", m.ID, makeRoom)}
}

// fullOut lets a member that is out, and whose disk is full, wait. What waits there is its
// receiver, and commits of the moment when it was lost: none of them is ended. MariaDB
// counts the GTID of a commit that is ended in its wait as written, and the binlog lacks
// it. Once there is room they are written; what nobody else has is judged then (S8).
func fullOut(m Member) Step {
	return wait("member %s is out: its disk is full: %s%s", m.ID, makeRoom, goneForGood(m))
}

// fullAcker returns the member beside acker that the owner counts as one: it is out, and its
// receiver waits for room, with the connection that it had. "" if there is none.
func fullAcker(s *Snapshot, owner Observation, acker Member, o Observations) MemberID {
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		if m.ID != acker.ID && m.State == MemberDown && seen.Room.Waiting > 0 && slices.Contains(owner.SemiSync.Replicas, m.Identity) {
			return m.ID
		}
	}
	return ""
}

// The errors of an applier that found no room: ER_DISK_FULL, ER_ERROR_ON_WRITE,
// ER_RECORD_FILE_FULL. It is started again every retryAfter.
func outOfRoom(errno int) bool { return errno == 1021 || errno == 1026 || errno == 1114 }

// roomOrStop says what to do about a member that is out since its disk is full: it is
// connected as one that acknowledges until it is stopped, or has room, and no other one
// counts beside it (S6). "" if there is none.
func roomOrStop(s *Snapshot, o Observations, now time.Time) string {
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		if m.State == MemberDown && seen.Room.Waiting > 0 && now.Sub(seen.At) <= MaxAge {
			return fmt.Sprintf("; make room at %s, whose disk is full, or stop that server", m.ID)
		}
	}
	return ""
}
