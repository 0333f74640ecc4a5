package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlring/sqlring/pkg/topology"
)

// memberDescs are the metrics of how members answer, follow each other and count,
// beside those of metrics.go.
type memberDescs struct {
	reach, linkRunning, linkErrno, linkMeant *prometheus.Desc
	slotOK, waiting, stride, slotsFree       *prometheus.Desc
}

func describeMembers(d func(name, help string, labels ...string) *prometheus.Desc) memberDescs {
	return memberDescs{
		reach:       d("member_reach", "1 for how the member was reached last, 0 for the others.", "member", "reach"),
		linkRunning: d("member_link_running", "Whether the thread that follows the upstream runs; absent if not known.", "member", "thread"),
		linkErrno:   d("member_link_error_number", "Error number of the thread that follows the upstream, 0: none; absent if not known.", "member", "thread"),
		linkMeant:   d("member_link_expected", "Whether the member is meant to follow another one.", "member"),
		slotOK:      d("member_slot_ok", "Whether the member counts by the slot and stride that are meant for it; absent if not known.", "member"),
		waiting:     d("member_semi_sync_waiting", "Commits that wait for an acker now; absent if not known.", "member"),
		stride:      d("ring_stride", "auto_increment_increment of every member; absent without a ring."),
		slotsFree:   d("ring_slots_free", "Slots of the stride that no member holds; absent without a ring."),
	}
}

func (d memberDescs) all() []*prometheus.Desc {
	return []*prometheus.Desc{d.reach, d.linkRunning, d.linkErrno, d.linkMeant, d.slotOK, d.waiting, d.stride, d.slotsFree}
}

func (c *collector) collectLinks(e emitter, l look) {
	if l.snap.Ring == nil {
		return
	}
	e.gauge(c.descs.stride, float64(l.snap.Ring.Stride))
	e.gauge(c.descs.slotsFree, float64(l.snap.Ring.Stride-len(l.snap.Members)))
	for _, m := range l.snap.Members {
		id := string(m.ID)
		shown := l.member(m)
		for _, reach := range []topology.Reach{topology.ReachUnknown, topology.ReachAnswers, topology.ReachRefused, topology.ReachSilent, topology.ReachDenied} {
			e.flag(c.descs.reach, reach.String() == shown.Reach, id, reach.String())
		}
		_, meant := l.snap.Upstream(m.ID)
		e.flag(c.descs.linkMeant, meant, id)
		seen, good := l.obs.Good(m.ID, l.now)
		if !good {
			continue
		}
		e.flag(c.descs.slotOK, l.snap.CountsAs(m, seen.Layout), id)
		e.gauge(c.descs.waiting, float64(seen.SemiSync.Waiting), id)
		for thread, state := range map[string]topology.ThreadState{"receiver": seen.Link.Receiver, "applier": seen.Link.Applier} {
			if state != topology.ThreadUnknown {
				e.flag(c.descs.linkRunning, state == topology.ThreadRunning, id, thread)
			}
		}
		e.gauge(c.descs.linkErrno, float64(seen.Link.ReceiverErrno), id, "receiver")
		e.gauge(c.descs.linkErrno, float64(seen.Link.ApplierErrno), id, "applier")
	}
}
