//go:build !linux

package proxy

// hangups: the watch finds clients that have gone, with every tick.
type hangups struct{}

func (h *hangups) open()           {}
func (h *hangups) close()          {}
func (h *hangups) run()            {}
func (h *hangups) watch(*session)  {}
func (h *hangups) forget(*session) {}
