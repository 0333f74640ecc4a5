package proxy

import "time"

// drain lets sessions finish: those that wait for their client end at once,
// unless they are in a transaction; the others after what they are at. Who is
// left after Config.DrainTimeout is interrupted. It returns when all have ended.
func (p *Proxy) drain() {
	p.drainEnd.Store(time.Now().Add(p.cfg.DrainTimeout).UnixNano())
	p.draining.Store(true)
	for _, s := range p.all() {
		_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	}
	timer := time.AfterFunc(p.cfg.DrainTimeout, func() {
		for _, s := range p.all() {
			s.interrupt()
		}
	})
	p.running.Wait()
	timer.Stop()
}
