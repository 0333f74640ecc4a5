package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// guardTCP lets pass what may come over TCP: reading, addressed to a name of
// loopback. A browser that was led here under another name (DNS rebinding) is
// turned away, whatever it asks for.
func guardTCP(next http.Handler) http.Handler {
	return guardAny(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !loopbackHost(r.Host):
			writeProblem(w, newProblem(http.StatusMisdirectedRequest, ProblemWrongHost,
				"Host %q is not a name of loopback: ask for 127.0.0.1, [::1] or localhost", r.Host))
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			writeProblem(w, newProblem(http.StatusForbidden, ProblemReadOnly,
				"%s %s: over TCP the API is read-only; changes are taken over the node's unix socket: use --api unix:PATH", r.Method, r.URL.Path))
		default:
			next.ServeHTTP(w, r)
		}
	}))
}

// guardAny sets what holds for every transport.
func guardAny(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.ContentLength > maxBody {
			writeProblem(w, newProblem(http.StatusRequestEntityTooLarge, ProblemInvalid,
				"%s %s: the body is too large: it has %d bytes, %d are read", r.Method, r.URL.Path, r.ContentLength, maxBody))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopbackHost reports whether a Host header names loopback.
func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}
