package ringcheck

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities.
const (
	Notice   Severity = iota // to be known; nothing is wrong
	Warning                  // it will hurt one day
	Critical                 // data can be lost or differ, or the ring does not work
)

func (s Severity) String() string {
	switch s {
	case Notice:
		return "notice"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	}
	return "unknown"
}

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a severity's name.
func (s *Severity) UnmarshalText(text []byte) error {
	for _, known := range []Severity{Notice, Warning, Critical} {
		if known.String() == string(text) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("severity %q is not notice, warning or critical", text)
}

// Check is one rule.
type Check struct {
	Name     string // stable, lower case with dashes
	Severity Severity
	Flavour  topology.Flavour // whom it is about; FlavourUnknown: both
	Looks    string           // what it looks at
	Why      string           // why that matters

	needs []Part
	// One of the three is set: for each member, over all of them, or of the node.
	each func(f *Facts, m *Member) []hit
	all  func(f *Facts, members []*Member) []hit
	node func(f *Facts, n *Node) []hit
}

// Scope says what the check is run on: "member", "ring" or "node".
func (c Check) Scope() string {
	switch {
	case c.node != nil:
		return "node"
	case c.all != nil:
		return "ring"
	}
	return "member"
}

// hit is what a check has found.
type hit struct {
	member   string // set by Run for a check of one member
	object   string
	found    string
	mend     string
	severity *Severity // nil: that of the check
}

// Finding is one thing that is not as it should be.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	Member   string   `json:"member" doc:"empty: the ring, or the node"`
	Object   string   `json:"object" doc:"setting, account, table, …; empty: the member itself"`
	Found    string   `json:"found"`
	Why      string   `json:"why"`
	Mend     string   `json:"mend" doc:"the line to type, or to write"`
}

// Unread says that a check could not look.
type Unread struct {
	Check  string `json:"check"`
	Member string `json:"member"`
	Why    string `json:"why"`
}

// Report is what all checks say.
type Report struct {
	Ran      int       `json:"ran" doc:"checks that were run"`
	Findings []Finding `json:"findings" doc:"the worst first"`
	Unknown  []Unread  `json:"unknown" doc:"checks that could not look, and why"`
}

// Worst returns the worst severity of the findings; false: there are none.
func (r Report) Worst() (Severity, bool) {
	if len(r.Findings) == 0 {
		return Notice, false
	}
	return r.Findings[0].Severity, true
}

// First returns at most n findings that are to be dealt with first: the worst one of
// each check, notices aside.
func (r Report) First(n int) []Finding {
	var first []Finding
	for _, f := range r.Findings {
		if len(first) == n || f.Severity == Notice {
			break
		}
		if !slices.ContainsFunc(first, func(g Finding) bool { return g.Check == f.Check }) {
			first = append(first, f)
		}
	}
	return first
}

// maxFindings is how many objects a check lists of one member.
const maxFindings = 20

// Run holds the facts against the checks. Without facts of the node, checks of the node
// are left out, and so are those of the other flavour than a member's.
func Run(checks []Check, f Facts) Report {
	r := Report{Findings: []Finding{}, Unknown: []Unread{}}
	order := map[string]int{}
	for i, c := range checks {
		order[c.Name] = i
		if c.node != nil && f.Node == nil {
			continue
		}
		r.Ran++
		r.add(c, &f)
	}
	rank := map[string]int{}
	for i, m := range f.Members {
		rank[m.Name] = i
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(order[a.Check], order[b.Check]), cmp.Compare(rank[a.Member], rank[b.Member]))
	})
	return r
}

// add runs one check.
func (r *Report) add(c Check, f *Facts) {
	if c.node != nil {
		r.addNode(c, f)
		return
	}
	var able []*Member
	for i := range f.Members {
		m := &f.Members[i]
		if why, missing := lacks(m, c.needs); missing {
			r.Unknown = append(r.Unknown, Unread{Check: c.Name, Member: m.Name, Why: why})
			continue
		}
		if c.Flavour != topology.FlavourUnknown && m.Version.Flavour != c.Flavour {
			continue
		}
		able = append(able, m)
	}
	if c.all != nil {
		r.take(c, c.all(f, able))
		return
	}
	for _, m := range able {
		hits := c.each(f, m)
		for i := range hits {
			hits[i].member = m.Name
		}
		r.take(c, hits)
	}
}

// addNode runs a check of the node. One that holds the node against the members needs two of
// them to know what most of them say: with fewer it could not look.
func (r *Report) addNode(c Check, f *Facts) {
	var dark []Unread
	for i := range f.Members {
		if why, missing := lacks(&f.Members[i], c.needs); missing {
			dark = append(dark, Unread{Check: c.Name, Member: f.Members[i].Name, Why: why})
		}
	}
	if len(dark) > 0 && len(f.Members)-len(dark) < 2 {
		r.Unknown = append(r.Unknown, dark...)
	}
	r.take(c, c.node(f, f.Node))
}

// lacks returns why the member's facts of these parts are not there.
func lacks(m *Member, needs []Part) (string, bool) {
	for _, part := range needs {
		if why, missing := m.Unread[part]; missing {
			return why, true
		}
	}
	return "", false
}

// take adds what a check has found, at most maxFindings of each member.
func (r *Report) take(c Check, hits []hit) {
	count := map[string]int{}
	for _, h := range hits {
		count[h.member]++
		if count[h.member] > maxFindings {
			continue
		}
		severity := c.Severity
		if h.severity != nil {
			severity = *h.severity
		}
		r.Findings = append(r.Findings, Finding{
			Check: c.Name, Severity: severity, Member: h.member, Object: h.object, Found: h.found, Why: c.Why, Mend: h.mend,
		})
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if n := count[f.Member]; f.Check == c.Name && n > maxFindings {
			f.Found = fmt.Sprintf("%s (one of %d)", f.Found, n)
		}
	}
}

// as returns the hit with another severity than its check has.
func (h hit) as(s Severity) hit {
	h.severity = &s
	return h
}
