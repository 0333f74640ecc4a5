package proxy

import "time"

// Limit is what a rule of the DBA does here, since its scope has one.
type Limit struct {
	Scope         string
	Inside        int           // statements and transactions that count in it now
	Waiting       int           // that it holds back now
	Held, Refused uint64        // that it has held back; that got an error by it
	Waited        time.Duration // for which it has held them back, those aside who wait now
}

// Limits returns what rules do now, by scope as the ring lists them. It is safe for concurrent
// use.
func (p *Proxy) Limits() []Limit {
	rules := p.limited.Load()
	if rules == nil {
		return nil
	}
	list := make([]Limit, 0, len(rules.rules))
	for _, l := range rules.rules {
		l.mu.Lock()
		list = append(list, Limit{l.Scope, l.inside, l.line.Len(), l.held, l.refused, l.waited})
		l.mu.Unlock()
	}
	return list
}
