package topology

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// When something flaps: so many changes of one thing within the time, and for how long
// it has to be calm before it is told that it is over, or better.
const (
	flapChanges = 6
	flapWithin  = 10 * time.Minute
	flapCalm    = 5 * time.Minute
	// calm is how long something has to be over before that is told.
	calm = time.Second
)

// Watched is what a leader has seen to differ from what stands, and since when. The
// zero value is a leader that has just begun.
type Watched map[string]watched

type watched struct {
	to    string
	since time.Time
}

// News returns what has to be told of what the leader sees: each finding that has been
// there for its hold time and is not what stands, and each thing that stands, is of
// the leader's to see, and is over. complete names the topics of which all was seen; of
// the others nothing is taken to be over. What flaps is told once, and not to be
// better before it was calm for five minutes. The Watched that it returns is for the
// next call; it does not change the one that it is given.
func News(o *Outbox, found []Finding, complete []Topic, before Watched, now time.Time) ([]Finding, Watched) {
	next := Watched{}
	if o == nil {
		return nil, next
	}
	wanted := map[string]Finding{}
	for _, f := range found {
		wanted[f.Key()] = f.Clip()
	}
	for _, st := range o.Standing {
		n := st.Notice
		if _, still := wanted[n.Key()]; still || !n.Topic.observed() || !slices.Contains(complete, n.Topic) {
			continue
		}
		wanted[n.Key()] = Finding{
			Topic: n.Topic, Subject: n.Subject, Member: n.Member, To: "over", Hold: calm,
			What: "it is over: " + n.What,
		}
	}
	var news []Finding
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		f := wanted[key]
		standing, stands := o.Stands(key)
		if standing.Notice.To == f.To || !stands && f.Severity == UrgencyInfo {
			continue
		}
		w := before[key]
		if w.to != f.To {
			w = watched{f.To, now}
		}
		next[key] = w
		if now.Sub(w.since) >= hold(o, f, standing.Notice.Severity) {
			f.From, f.Since = standing.Notice.To, cmp.Or(f.Since, w.since)
			news = append(news, f)
		}
	}
	return news, next
}

// hold returns for how long a finding has to be there before it is told.
func hold(o *Outbox, f Finding, stands Urgency) time.Duration {
	worse := f.Severity > stands
	if worse || !flaps(o, f.Key()) {
		return f.Hold
	}
	return max(f.Hold, flapCalm)
}

// flaps reports whether, when it changed last, a thing had changed often lately. That
// is kept until the next change: while it is held, it does not change.
func flaps(o *Outbox, key string) bool {
	changes, last := 0, time.Time{}
	for i := len(o.History) - 1; i >= 0 && (changes == 0 || last.Sub(o.History[i].At) < flapWithin); i-- {
		if o.History[i].Key() != key {
			continue
		}
		if changes++; changes == 1 {
			last = o.History[i].At
		}
	}
	return changes >= flapChanges
}
