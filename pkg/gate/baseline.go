package gate

import "time"

// baselines is what statements take at the member, by digest, when it has little to do.
// It is a table of fixed size: a digest that is not seen for long gives its place to
// another one.
type baselines struct {
	slots [baselineSlots]baseline
}

const baselineSlots = 1024 // a power of two

type baseline struct {
	digest uint64
	usual  float64 // nanoseconds; long-run mean of calm times
	recent float64 // mean of the last ones, calm or not
	seen   uint32
	calm   uint32 // of these, while the member had little to do
}

// learned is how many statements make a baseline that is to be relied upon. Those that end
// first when many begin at once are the short ones, so a few are not enough.
const learned = 32

// A digest is taken for heavy before it is learned: from a few statements on, if they were seen
// in calm; while others stand in their way short ones take long, too, so it has to be by much.
const (
	few    = 3
	byMuch = 4
)

// memory is over how many statements a mean goes; clearly, by how much one has to be below
// another one to be more than noise.
const (
	memory  = 256
	clearly = 0.8
)

// find returns the entry of a digest, nil if there is none.
func (b *baselines) find(digest uint64) *baseline {
	at := digest % baselineSlots
	for i := range uint64(2) {
		if e := &b.slots[(at+i)%baselineSlots]; e.seen > 0 && e.digest == digest {
			return e
		}
	}
	return nil
}

// usual returns what statements of a digest take; 0: not known.
func (b *baselines) usual(digest uint64) time.Duration {
	if e := b.find(digest); e != nil && e.seen >= learned {
		return time.Duration(e.usual)
	}
	return 0
}

// heavy reports whether statements of a digest take so long, as far as that is known.
func (b *baselines) heavy(digest uint64, after time.Duration) bool {
	e := b.find(digest)
	switch {
	case e == nil || e.seen < few:
		return false
	case e.seen < learned && e.calm < few:
		after *= byMuch
	}
	return time.Duration(e.usual) >= after
}

// learn takes a statement's time in. calm says that the member had little to do; else
// inflation is by how much all take longer now, and known by how much those do that were
// seen while it was calm, 0 if that is not known. It returns what was usual before, 0 if that is not known yet, and
// whether that was learned in calm.
func (b *baselines) learn(digest uint64, took time.Duration, calm bool, inflation, known float64) (usual float64, sure bool) {
	t := max(float64(took), 1000)
	e := b.find(digest)
	if e == nil {
		e = b.place(digest)
		*e = baseline{digest: digest}
	}
	usual, sure = e.usual, e.calm >= learned
	share := 1 / min(float64(e.seen+1), memory)
	e.recent += (t - e.recent) * share
	switch {
	case e.seen < learned: // as they would be without others
		e.usual += (t/max(inflation, 1) - e.usual) * share
		usual = 0
	case calm:
		e.usual += (t - e.usual) * share
	case e.seen < memory && !sure:
		t /= max(known, 1) // it is no measure itself
		e.usual += (t - e.usual) * share
	case e.recent < e.usual*clearly: // it can not have been usual
		e.usual += (e.recent - e.usual) / 16
	}
	if e.seen < 1<<30 {
		e.seen++
	}
	if calm && e.calm < learned {
		e.calm++
	}
	return usual, sure
}

// place returns the entry that a new digest takes: the one of two that was seen less, and
// the other one comes closer to being taken.
func (b *baselines) place(digest uint64) *baseline {
	at := digest % baselineSlots
	first, second := &b.slots[at], &b.slots[(at+1)%baselineSlots]
	if first.seen == 0 {
		return first
	}
	if second.seen == 0 {
		return second
	}
	if second.seen < first.seen {
		first, second = second, first
	}
	second.seen -= second.seen / 8
	return first
}
