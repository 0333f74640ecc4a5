package sim

import (
	"math/rand/v2"
	"time"
)

// Rings of five voters, and what happens there alone: two of them are lost at once, or cut off
// from the other three.

// laterFrom is the first seed that draws what this file and stopping.go have. Those below it
// keep the life that they had, and with it what they were kept for.
const laterFrom = 1_300_001

// drawLater draws it, apart from all that was drawn before.
func (o *Options) drawLater() {
	if o.Seed < laterFrom {
		return
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0xf17e))
	if rng.IntN(4) == 0 {
		o.fiveVoters()
		o.Sites = o.Members == 2 && o.Grows == 0 && rng.IntN(2) == 0
		o.Witness = rng.IntN(2) == 0
		if !o.Sites {
			o.Nodes += rng.IntN(2)
		}
	}
	o.Stops = rng.IntN(3) == 0
}

func (o *Options) fiveVoters() {
	o.Nodes, o.Voters, o.Clients = 5, 5, max(o.Clients, 5)
}

// amongVoters are the faults of rings that have five.
func (n *nemesis) amongVoters() []weighted {
	if n.w.opt.Voters < 5 {
		return nil
	}
	return []weighted{{5, n.loseTwo}, {4, n.partVoters}, {2, n.blindVoters}, {2, n.deposeLeader}}
}

// two draws two voters; every second time the one that leads is among them.
func (n *nemesis) two() [2]*node {
	w := n.w
	all := w.voters()
	i := w.rng.IntN(len(all))
	if w.chance(0.5) && w.lead.voter {
		for k, v := range all {
			if v == w.lead {
				i = k
			}
		}
	}
	return [2]*node{all[i], all[(i+1+w.rng.IntN(len(all)-1))%len(all)]}
}

// loseTwo kills or stops two voters at once.
func (n *nemesis) loseTwo() {
	for _, x := range n.two() {
		d := n.w.between(300*time.Millisecond, longestStop)
		if n.w.opt.Stops && n.w.chance(0.5) {
			n.stop(x, d)
			continue
		}
		if !x.up {
			continue
		}
		x.crash()
		n.countLost()
		n.until(d, func() {
			if !x.up {
				x.start()
			}
		})
	}
}

// partVoters cuts two voters off from all other nodes: they go on seeing the members, their
// clients, and each other.
func (n *nemesis) partVoters() {
	w := n.w
	few := n.two()
	d := w.between(300*time.Millisecond, 8*time.Second)
	w.laws.stats.Parted++
	for _, x := range few {
		for _, other := range w.nodes {
			if other != few[0] && other != few[1] {
				n.sever(x.host(), other.host(), d)
			}
		}
	}
}

// blindVoters cuts the leader and one or two more voters off from a member, and that from its
// neighbour: two see it still.
func (n *nemesis) blindVoters() {
	w := n.w
	i := w.rng.IntN(len(w.servers))
	s, d := w.servers[i], w.between(time.Second, 7*time.Second)
	for _, x := range n.two() {
		n.sever(x.host(), s.host(), d)
	}
	n.sever(w.voters()[w.rng.IntN(len(w.voters()))].host(), s.host(), d)
	n.sever(s.host(), w.servers[(i+1)%len(w.servers)].host(), d)
}

// countLost notes whether two voters, or more, are lost now.
func (n *nemesis) countLost() {
	lost := 0
	for _, v := range n.w.voters() {
		if !v.alive() {
			lost++
		}
	}
	if lost >= 2 {
		n.w.laws.stats.TwoLost++
	}
}
