package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// GTID is one global transaction id: MariaDB's domain-server-sequence (MariaDB
// manual, "Global Transaction ID"), or MySQL's source:number (MySQL manual, "GTID
// Format and Storage"; source.go). In a ring of MariaDB a member's domain and server
// id are the same number, its identity.
type GTID struct {
	Domain uint32
	Server uint32 // 0 on MySQL
	Seq    uint64
	Source string // MySQL: uuid, or uuid:tag, in lower case; Domain is its [SourceDomain]. Empty on MariaDB
}

// String returns for example "101-101-17", or "3e11fa47-71ca-11e1-9e33-c80aa9429562:17".
func (g GTID) String() string {
	if g.Source != "" {
		return fmt.Sprintf("%s:%d", g.Source, g.Seq)
	}
	return fmt.Sprintf("%d-%d-%d", g.Domain, g.Server, g.Seq)
}

// Position is how far a server has come: for each domain the last transaction.
// It is sorted by domain, one entry a domain. The zero value is the position of
// an empty server. It is a value: none of its methods changes the receiver.
type Position []GTID

// ParsePosition reads a MariaDB position such as @@gtid_slave_pos: GTIDs joined
// by commas, in any order. Of several GTIDs of one domain (as in
// @@gtid_binlog_state) the highest counts. The empty text is the empty position.
// It reads a MySQL GTID set as well: of each source the highest number counts, so a
// set with gaps is read as more than it is (see [FirstGap]).
func ParsePosition(text string) (Position, error) {
	var p Position
	for _, field := range strings.Split(text, ",") {
		field = strings.TrimSpace(field)
		if field == "" {
			continue
		}
		if strings.Contains(field, ":") {
			set, err := parseSource(field)
			if err != nil {
				return nil, err
			}
			for _, g := range set {
				if i, ok := p.find(g.Domain); ok && p[i].Source != g.Source {
					return nil, fmt.Errorf("gtid set %q: sources %s and %s can not be told apart here: give one of the servers a new server_uuid", text, p[i].Source, g.Source)
				}
				p = p.With(g)
			}
			continue
		}
		g, err := ParseGTID(field)
		if err != nil {
			return nil, err
		}
		p = p.With(g)
	}
	return p, nil
}

// ParseGTID reads one MariaDB GTID, "domain-server-sequence".
func ParseGTID(text string) (GTID, error) {
	parts := strings.Split(text, "-")
	if len(parts) != 3 {
		return GTID{}, fmt.Errorf("gtid %q is not of the form domain-server-sequence", text)
	}
	domain, err1 := strconv.ParseUint(parts[0], 10, 32)
	server, err2 := strconv.ParseUint(parts[1], 10, 32)
	seq, err3 := strconv.ParseUint(parts[2], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return GTID{}, fmt.Errorf("gtid %q is not of the form domain-server-sequence", text)
	}
	return GTID{Domain: uint32(domain), Server: uint32(server), Seq: seq}, nil
}

// String returns the position as the server writes it, "101-101-7,102-102-3". Of a
// MySQL source all up to the number is meant, "uuid:1-7".
func (p Position) String() string {
	parts := make([]string, len(p))
	for i, g := range p {
		parts[i] = g.String()
		if g.Source != "" && g.Seq > 1 {
			parts[i] = fmt.Sprintf("%s:1-%d", g.Source, g.Seq)
		}
	}
	return strings.Join(parts, ",")
}

// MarshalText writes the position as the server does.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a position as the server writes it.
func (p *Position) UnmarshalText(text []byte) error {
	parsed, err := ParsePosition(string(text))
	*p = parsed
	return err
}

// Seq returns the sequence number that p has reached in domain, 0 for none.
func (p Position) Seq(domain uint32) uint64 {
	if i, ok := p.find(domain); ok {
		return p[i].Seq
	}
	return 0
}

// Last returns the last GTID of domain; ok is false if p has none.
func (p Position) Last(domain uint32) (g GTID, ok bool) {
	i, ok := p.find(domain)
	if !ok {
		return GTID{}, false
	}
	return p[i], true
}

// With returns p moved on to g. A g that p is past already changes nothing.
func (p Position) With(g GTID) Position {
	i, ok := p.find(g.Domain)
	switch {
	case !ok:
		return slices.Insert(slices.Clone(p), i, g)
	case p[i].Seq >= g.Seq:
		return p
	}
	q := slices.Clone(p)
	q[i] = g
	return q
}

// Without returns p less the given domain.
func (p Position) Without(domain uint32) Position {
	i, ok := p.find(domain)
	if !ok {
		return p
	}
	return slices.Delete(slices.Clone(p), i, i+1)
}

// upTo returns p moved back to g, if it is past that.
func (p Position) upTo(g GTID) Position {
	if p.Seq(g.Domain) <= g.Seq {
		return p
	}
	return p.Without(g.Domain).With(g)
}

// Union returns the least position that covers p and other.
func (p Position) Union(other Position) Position {
	for _, g := range other {
		p = p.With(g)
	}
	return p
}

// Covers reports whether p has reached everything that other has, domain by
// domain.
func (p Position) Covers(other Position) bool {
	return len(p.Missing(other)) == 0
}

// Missing returns the GTIDs of other that p has not reached: one entry a domain
// in which p is behind, with the sequence number to be reached.
func (p Position) Missing(other Position) Position {
	var missing Position
	for _, g := range other {
		if p.Seq(g.Domain) < g.Seq {
			missing = append(missing, g)
		}
	}
	return missing
}

// Behind returns the number of transactions by which p is behind other, summed
// over the domains in which it is.
func (p Position) Behind(other Position) uint64 {
	var n uint64
	for _, g := range p.Missing(other) {
		n += g.Seq - p.Seq(g.Domain)
	}
	return n
}

func (p Position) find(domain uint32) (int, bool) {
	return slices.BinarySearchFunc(p, domain, func(g GTID, d uint32) int { return cmp.Compare(g.Domain, d) })
}
