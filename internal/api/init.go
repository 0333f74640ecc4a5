package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// InitRequest asks for a ring of empty servers.
type InitRequest struct {
	Name       string       `json:"name" minLength:"1" maxLength:"32" doc:"name of the ring"`
	Stride     int          `json:"stride,omitempty" minimum:"0" maximum:"65535" doc:"auto_increment_increment; 0: 16"`
	Durability string       `json:"durability,omitempty" enum:"semisync,async" default:"semisync"`
	Degraded   string       `json:"degraded,omitempty" enum:"allow,refuse" default:"allow" doc:"what an owner does that has no acker left"`
	Members    []InitMember `json:"members" minItems:"2" maxItems:"16" doc:"in ring order; the first becomes the owner"`
	Why        string       `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
	Data       bool         `json:"data,omitempty" doc:"the first member holds data, and goes on serving; the others get it"`
	BootsClose bool         `json:"boots_closed,omitempty" doc:"data: the first member's config file has read_only=1, which can not be seen once it was set by SQL"`
}

// InitMember names one server.
type InitMember struct {
	ID   string `json:"id" maxLength:"32"`
	Addr string `json:"addr" maxLength:"260" doc:"host:port of its MySQL protocol port, as the other members reach it"`
	Site string `json:"site,omitempty" maxLength:"32" doc:"where it stands: reads are routed to the proxy's own site first"`

	Weight int `json:"weight,omitempty" minimum:"0" maximum:"100" doc:"its share of the reads, relative to the others'; 0: 1"`
}

// InitResponse is what was decided, and what was started.
type InitResponse struct {
	Plan      Plan       `json:"plan"`
	Operation *Operation `json:"operation" doc:"null if nothing was started"`
}

// Plan is what an operation will do, before it does it.
type Plan struct {
	Ring           string       `json:"ring"`
	Stride         int          `json:"stride"`
	Durability     string       `json:"durability"`
	DegradedPolicy string       `json:"degraded_policy"`
	Members        []PlanMember `json:"members"`
	Steps          []string     `json:"steps"`
	InTheWay       []string     `json:"in_the_way,omitempty" doc:"ring init, dry run: what the servers lack now; the operation would wait until it is mended"`
}

// PlanMember is what becomes of one server.
type PlanMember struct {
	Name     string `json:"name"`
	Addr     string `json:"addr"`
	Slot     int    `json:"slot"`
	Identity uint32 `json:"identity"`
	Upstream string `json:"upstream"`
	Owner    bool   `json:"owner"`
	Site     string `json:"site"`
	Weight   int    `json:"weight" doc:"its share of the reads, relative to the others'"`
}

// change returns the command of a request, or what is wrong with its form.
func (r InitRequest) change() (topology.InitRing, *Problem) {
	bad := func(where string, err error) (topology.InitRing, *Problem) {
		return topology.InitRing{}, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "%s: %v", where, err)
	}
	change := topology.InitRing{Name: r.Name, Stride: r.Stride, Data: r.Data, Boots: r.BootsClose}
	if err := topology.ValidName(r.Name); err != nil {
		return bad("name", err)
	}
	if r.Durability != "" {
		if err := change.Durability.UnmarshalText([]byte(r.Durability)); err != nil {
			return bad("durability", err)
		}
	}
	if r.Degraded != "" {
		if err := change.Degraded.UnmarshalText([]byte(r.Degraded)); err != nil {
			return bad("degraded", err)
		}
	}
	ids, addrs := map[string]bool{}, map[string]bool{}
	for i, m := range r.Members {
		if err := m.validate(ids, addrs); err != nil {
			return bad(fmt.Sprintf("members[%d]", i), err)
		}
		ids[m.ID], addrs[m.Addr] = true, true
		change.Members = append(change.Members, topology.NewMember{ID: topology.MemberID(m.ID), Addr: m.Addr, Site: m.Site, Weight: m.Weight})
	}
	return change, nil
}

func (m InitMember) validate(ids, addrs map[string]bool) error {
	if err := topology.ValidName(m.ID); err != nil {
		return err
	}
	if err := topology.ValidAddr(m.Addr); err != nil {
		return fmt.Errorf("member %s: %w", m.ID, err)
	}
	if m.Site != "" {
		if err := topology.ValidName(m.Site); err != nil {
			return fmt.Errorf("member %s: site: %w", m.ID, err)
		}
	}
	switch {
	case ids[m.ID]:
		return fmt.Errorf("the name %s stands there twice: each member has its own", m.ID)
	case addrs[m.Addr]:
		return fmt.Errorf("member %s: the address %s stands there twice: each member has its own", m.ID, m.Addr)
	}
	return nil
}

// planInit tries the change on a copy of the state, so the plan is what Apply
// will decide, and a refusal costs no command.
func planInit(snap *topology.Snapshot, change topology.InitRing, now time.Time) (Plan, error) {
	next, err := topology.Apply(snap, topology.Command{Index: snap.Index + 1, At: now, Change: change})
	if err != nil {
		return Plan{}, err
	}
	p := Plan{
		Ring: next.Ring.Name, Stride: next.Ring.Stride,
		Durability: next.Ring.Durability.String(), DegradedPolicy: next.Ring.Degraded.String(),
	}
	for i, m := range next.Members {
		up, linked := next.Upstream(m.ID)
		if !linked { // it is going to follow
			up = next.Members[(i+len(next.Members)-1)%len(next.Members)]
		}
		p.Members = append(p.Members, PlanMember{
			Name: string(m.ID), Addr: m.Addr, Slot: m.Slot, Identity: m.Identity, Upstream: string(up.ID), Owner: i == 0,
			Site: m.Site, Weight: max(1, m.Weight),
		})
	}
	if change.Data {
		p.Steps = dataSteps(next)
		return p, nil
	}
	p.Steps = []string{
		"check that every server answers, is empty, and has a config file that lets it boot closed",
		fmt.Sprintf("close each server, and give it its identity, its slot of stride %d and the ring's settings", next.Ring.Stride),
		"let each server follow the one before it",
		"see the heartbeat of each server arrive at every other one",
		openStep(next),
	}
	return p, nil
}

// dataSteps are the steps where the first member holds data.
func dataSteps(next *topology.Snapshot) []string {
	owner := next.Members[0].ID
	return []string{
		fmt.Sprintf("check that %s answers, follows nobody, and has a config file that lets it boot closed", owner),
		fmt.Sprintf("give %s its identity, its slot of stride %d and the ring's settings while it serves; every connection to it is ended once, so that none goes on under the old ones", owner, next.Ring.Stride),
		fmt.Sprintf("open the ring with %s alone, as the owner of everything: from here applications may connect to the proxy", owner),
		"one after the other: check each other server, close it, copy the data to it, let it catch up, and close the ring through it",
	}
}

func openStep(next *topology.Snapshot) string {
	owner := next.Members[0].ID
	if next.Ring.Durability == topology.DurabilityAsync {
		return fmt.Sprintf("open %s for writes as the owner of everything; its commits wait for nobody (async)", owner)
	}
	return fmt.Sprintf("arm semi-sync on %s and open it for writes as the owner of everything", owner)
}
