package proxy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// What statements cost is told by digest, the time that they waited apart from the time
// that they were at the member: of who only waits, the member is not the cause.

// Digest is what statements of one digest have taken at one member, through this proxy.
type Digest struct {
	Member topology.MemberID
	Text   string // the digest; "" if it has not been seen for long
	gate.Tally
}

const (
	shownCrowds  = 16 // accounts of which a gate tells that their statements wait
	shownDigests = 100
)

// Digests returns at most most digests, those first that have taken the most time, before
// the member and at it. It is safe for concurrent use.
func (p *Proxy) Digests(most int) []Digest {
	p.mu.Lock()
	gates := make([]*memberGate, 0, len(p.gates))
	for _, g := range p.gates {
		gates = append(gates, g)
	}
	p.mu.Unlock()
	var list []Digest
	for _, g := range gates {
		g.mu.Lock()
		tallies := g.tallies.Most(most)
		g.mu.Unlock()
		for _, t := range tallies {
			list = append(list, Digest{Member: g.id, Tally: t})
		}
	}
	slices.SortFunc(list, func(a, b Digest) int {
		return cmp.Or(cmp.Compare(b.QueueTime()+b.ServerTime, a.QueueTime()+a.ServerTime), cmp.Compare(a.Member, b.Member), cmp.Compare(a.Digest, b.Digest))
	})
	list = list[:min(most, len(list))]
	for i := range list {
		list[i].Text = p.reader.text(list[i].Digest)
	}
	return list
}

// text returns the digest of that hash, "" if its plan is not kept any more.
func (r *reader) text(hash uint64) string {
	plan := r.sets[hash%planSets].Load().Hashed(hash)
	if plan == nil {
		return ""
	}
	return abridge(string(plan.AppendDigest(nil)))
}

var digestColumns = []string{"member", "digest", "statements", "server_s", "mean_server_ms", "waits", "queue_s", "mean_wait_ms", "longest_wait_ms", "row_waits", "rule_waits", "shed", "gone", "text"}

// showDigests are the rows of SHOW SQLRING DIGESTS.
func (p *Proxy) showDigests() [][]string {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	mean := func(d time.Duration, n uint64) string {
		return fmt.Sprintf("%.3f", float64(d)/float64(max(n, 1))/float64(time.Millisecond))
	}
	var rows [][]string
	for _, d := range p.Digests(shownDigests) {
		rows = append(rows, []string{
			string(d.Member), fmt.Sprintf("%016x", d.Tally.Digest), number(d.Statements), fmt.Sprintf("%.3f", d.ServerTime.Seconds()), mean(d.ServerTime, d.Statements),
			number(d.Waits), fmt.Sprintf("%.3f", d.QueueTime().Seconds()), mean(d.QueueTime(), d.Waits+d.LaneWaits+d.RuleWaits), mean(d.Longest, 1),
			number(d.LaneWaits), number(d.RuleWaits), number(d.Shed), number(d.Gone), d.Text,
		})
	}
	return rows
}

// showQueues are the rows of SHOW SQLRING QUEUES.
func (p *Proxy) showQueues() [][]string {
	var rows [][]string
	for _, g := range p.Gates() {
		for _, c := range g.Crowds {
			rows = append(rows, []string{string(g.Member), c.Account, strconv.Itoa(c.Waiting)})
		}
	}
	return rows
}
