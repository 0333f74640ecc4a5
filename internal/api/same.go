package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// lookupWithin is how long names of servers are looked up, all together.
const lookupWithin = time.Second

// sameServer refuses members that are one server under two names: what is told to the one would be
// told to the other. Names are looked up only where two members have one port; a name that is not
// known here is nobody else's.
func sameServer(ctx context.Context, what string, members []topology.NewMember) *Problem {
	ctx, cancel := context.WithTimeout(ctx, lookupWithin)
	defer cancel()
	for i, m := range members {
		for _, other := range members[:i] {
			if ip := shared(ctx, m.Addr, other.Addr); ip != "" {
				return newProblem(http.StatusUnprocessableEntity, ProblemInvalid,
					"%s: %s at %s and %s at %s are one server: both are %s: each member has its own", what, other.ID, other.Addr, m.ID, m.Addr, ip)
			}
		}
	}
	return nil
}

// shared returns an address that both may mean, "" if there is none.
func shared(ctx context.Context, a, b string) string {
	host, port, err := net.SplitHostPort(a)
	otherHost, otherPort, otherErr := net.SplitHostPort(b)
	if err != nil || otherErr != nil || port != otherPort {
		return ""
	}
	theirs := addressesOf(ctx, otherHost)
	for _, ip := range addressesOf(ctx, host) {
		if slices.Contains(theirs, ip) {
			return net.JoinHostPort(ip, port)
		}
	}
	return ""
}

func addressesOf(ctx context.Context, host string) []string {
	if ip := net.ParseIP(host); ip != nil {
		return []string{ip.String()}
	}
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return []string{fmt.Sprintf("name %s", host)}
	}
	return found
}
