package app

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// PartedProxy has the monitor report on this node's proxy as on one that routes by
// unit: of each unit that the proxy itself does not speak of it says what nobody who
// goes through it can contradict, since nobody does: the newest epoch, and that
// nothing is under way. Tests write in such units at the members.
func (a *App) PartedProxy() { a.monitor.Report(parted{a}) }

type parted struct{ app *App }

// Writers implements monitor.Proxy.
func (p parted) Writers() []topology.Writer {
	said := p.app.proxy.Writers()
	spoken := map[topology.UnitID]bool{}
	for _, w := range said {
		spoken[w.Unit] = true
	}
	for _, u := range p.app.store.Snapshot().Units {
		if !spoken[u.ID] {
			said = append(said, topology.Writer{
				Node: p.app.cfg.Node, Unit: u.ID, Epoch: u.Epoch, Quiet: u.Draining || u.Owner == "", Since: said[0].Since, At: time.Now(),
			})
		}
	}
	return said
}
