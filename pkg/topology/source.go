package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MySQL numbers the transactions of each source: of a server, by its server_uuid, or
// of a tag of one. A [Position] says of each up to which number a server has them, and
// keys it by a digest of the source, where MariaDB has the domain. Of several
// sources of one set whose digests are equal, which one in a hundred million rings of
// ten has, the set is refused.

// domainBit is set in the digest of every source: identities, which are the domains
// of MariaDB, are below it.
const domainBit = 1 << 31

// SourceDomain returns the digest of a MySQL source (uuid, or uuid:tag): FNV-1a, less a
// bit, above all identities. It is 0 for the empty text.
func SourceDomain(source string) uint32 {
	if source == "" {
		return 0
	}
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for i := range len(source) {
		h = (h ^ uint32(source[i])) * prime
	}
	return h | domainBit
}

// ValidSource reports whether text is a server_uuid in the server's spelling.
func ValidSource(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// sourceRange is one range of numbers in a MySQL GTID set.
type sourceRange struct {
	source      string
	first, last uint64
}

// ranges reads the part of a MySQL GTID set that is about one uuid:
// uuid:1-5:8:tag:1-3.
func ranges(field string) ([]sourceRange, error) {
	wrong := fmt.Errorf("gtid set %q is not of the form uuid:first-last", field)
	parts := strings.Split(field, ":")
	source := strings.ToLower(strings.TrimSpace(parts[0]))
	if !ValidSource(source) || len(parts) < 2 {
		return nil, wrong
	}
	of, found := source, []sourceRange(nil)
	for _, part := range parts[1:] {
		part = strings.TrimSpace(part)
		if isTag(part) {
			of = source + ":" + strings.ToLower(part)
			continue
		}
		from, to, both := strings.Cut(part, "-")
		if !both {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 63)
		last, err2 := strconv.ParseUint(to, 10, 63)
		if err1 != nil || err2 != nil || last < first {
			return nil, wrong
		}
		found = append(found, sourceRange{of, first, last})
	}
	if len(found) == 0 {
		return nil, wrong
	}
	return found, nil
}

// isTag tells a tag: a letter or underscore, then 31 of those and digits at most.
func isTag(text string) bool {
	if text == "" || len(text) > 32 {
		return false
	}
	for i := range len(text) {
		c := text[i] | 0x20
		if letter := c >= 'a' && c <= 'z' || text[i] == '_'; !letter && (i == 0 || text[i] < '0' || text[i] > '9') {
			return false
		}
	}
	return true
}

// parseSource reads the same as how far it goes.
func parseSource(field string) ([]GTID, error) {
	found, err := ranges(field)
	if err != nil {
		return nil, err
	}
	var set []GTID
	for _, r := range found {
		set = append(set, GTID{Domain: SourceDomain(r.source), Seq: r.last, Source: r.source})
	}
	return set, nil
}

// FirstGap returns the first range of numbers that a MySQL GTID set lacks below its
// highest of the same source, as "uuid:6-7"; empty if it has none. A set with a gap is
// no Position: the server may still come to what is in it, and gives out the numbers
// of its own gap next.
func FirstGap(text string) (string, error) {
	last := map[string]uint64{}
	for _, field := range strings.Split(text, ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		found, err := ranges(field)
		if err != nil {
			return "", err
		}
		slices.SortFunc(found, func(a, b sourceRange) int {
			return cmp.Or(strings.Compare(a.source, b.source), cmp.Compare(a.first, b.first))
		})
		for _, r := range found {
			if r.first > last[r.source]+1 {
				return fmt.Sprintf("%s:%d-%d", r.source, last[r.source]+1, r.first-1), nil
			}
			last[r.source] = max(last[r.source], r.last)
		}
	}
	return "", nil
}
