package topology

import (
	"net/netip"
	"slices"
	"strings"
)

// Account is one database account as a member keeps it: what a proxy needs to
// check a login without having a user list of its own.
type Account struct {
	User   string // empty for the anonymous account
	Host   string // host part: name, address, address/netmask or a pattern with % and _
	Plugin string // authentication plugin, "mysql_native_password", …
	Hash   string // what the server stores for the plugin; a secret
	Locked bool   // ACCOUNT LOCK

	Require Require // REQUIRE …
}

// Require is what an account asks of the client's connection. The zero value asks
// for nothing.
type Require struct {
	Kind RequireKind
	// Of RequireSpecified; empty: not asked for. Names are in OpenSSL's one-line form,
	// "/C=SE/CN=client", and ciphers are OpenSSL's names.
	Cipher, Issuer, Subject string
}

// RequireKind is how much an account asks for.
type RequireKind uint8

// The kinds, as mysql.user.ssl_type has them.
const (
	RequireNothing   RequireKind = iota
	RequireTLS                   // REQUIRE SSL
	RequireX509                  // a certificate of the client, signed by an authority that is known
	RequireSpecified             // TLS, and what Cipher, Issuer and Subject say
)

// String returns the word of CREATE USER.
func (k RequireKind) String() string {
	switch k {
	case RequireNothing:
		return "NONE"
	case RequireTLS:
		return "SSL"
	case RequireX509:
		return "X509"
	case RequireSpecified:
		return "SPECIFIED"
	}
	return "UNKNOWN"
}

// Name returns user@host as the server prints it in its messages.
func (a Account) Name() string { return "'" + a.User + "'@'" + a.Host + "'" }

// MatchAccount returns the account that a server would pick for a login of user
// from addr, or false if there is none. The order is the server's: the most
// specific host first, an address before a pattern, "%" last; of equal hosts
// the named user before the anonymous one (MySQL manual, "Access Control, Stage
// 1: Connection Verification").
//
// Host names other than "localhost" never match: the proxy does not resolve
// names, as a server under skip_name_resolve. The zero Addr stands for a unix
// socket and matches "localhost" and "%"; a loopback address matches
// "localhost" too, as it does on a server that resolves names.
func MatchAccount(accounts []Account, user string, addr netip.Addr) (Account, bool) {
	best, found := Account{}, false
	for _, a := range accounts {
		if a.User != "" && a.User != user {
			continue
		}
		if !hostMatches(a.Host, addr.Unmap()) {
			continue
		}
		if !found || accountBefore(a, best) {
			best, found = a, true
		}
	}
	return best, found
}

// HostAllowed reports whether any account at all may log in from addr. Servers turn
// others away before they ask who it is.
func HostAllowed(accounts []Account, addr netip.Addr) bool {
	return slices.ContainsFunc(accounts, func(a Account) bool { return hostMatches(a.Host, addr.Unmap()) })
}

// accountBefore is the server's sort order; ties break by name.
func accountBefore(a, b Account) bool {
	if ra, rb := hostRank(a.Host), hostRank(b.Host); ra != rb {
		return ra < rb
	}
	if (a.User == "") != (b.User == "") {
		return b.User == ""
	}
	if la, lb := literalPrefix(a.Host), literalPrefix(b.Host); la != lb {
		return la > lb
	}
	return a.Name() < b.Name()
}

func hostRank(host string) int {
	switch {
	case host == "" || host == "%":
		return 3
	case strings.ContainsAny(host, "%_"):
		return 2
	case strings.Contains(host, "/"):
		return 1
	}
	return 0
}

func literalPrefix(host string) int {
	if i := strings.IndexAny(host, "%_"); i >= 0 {
		return i
	}
	return len(host)
}

func hostMatches(host string, addr netip.Addr) bool {
	local := !addr.IsValid()
	switch {
	case host == "" || host == "%":
		return true
	case strings.EqualFold(host, "localhost"):
		return local || addr.IsLoopback()
	case local: // servers know the other end of their socket by that name only
		return strings.ContainsAny(host, "%_") && likeMatches(strings.ToLower(host), "localhost")
	case strings.Contains(host, "/"):
		return netmaskMatches(host, addr)
	case strings.ContainsAny(host, "%_"):
		return likeMatches(host, addr.String())
	}
	literal, err := netip.ParseAddr(host)
	return err == nil && literal.Unmap() == addr
}

// netmaskMatches reads "198.51.100.0/255.255.255.0" and "198.51.100.0/24".
func netmaskMatches(host string, addr netip.Addr) bool {
	if p, err := netip.ParsePrefix(host); err == nil {
		return p.Masked().Contains(addr)
	}
	base, mask, _ := strings.Cut(host, "/")
	b, errBase := netip.ParseAddr(base)
	m, errMask := netip.ParseAddr(mask)
	if errBase != nil || errMask != nil || !b.Is4() || !m.Is4() || !addr.Is4() {
		return false
	}
	want, bits, got := b.As4(), m.As4(), addr.As4()
	for i := range bits {
		if got[i]&bits[i] != want[i] {
			return false
		}
	}
	return true
}

// likeMatches is SQL's LIKE with % and _, without an escape character.
func likeMatches(pattern, text string) bool {
	row := make([]bool, len(text)+1) // row[j]: the pattern so far matches text[:j]
	row[0] = true
	for _, c := range []byte(pattern) {
		next := make([]bool, len(text)+1)
		if c == '%' {
			first := slices.Index(row, true)
			for j := first; first >= 0 && j <= len(text); j++ {
				next[j] = true
			}
		} else {
			for j := range text {
				next[j+1] = row[j] && (c == '_' || c == text[j])
			}
		}
		row = next
	}
	return row[len(text)]
}
