package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// What a caller may do. Each may do what the one before may.
const (
	roleNone     = ""
	roleViewer   = "viewer"   // reads
	roleOperator = "operator" // changes the ring
	roleAdmin    = "admin"    // changes raft, and who may call
)

// caller is who asks.
type caller struct {
	by   string // as it stands in the audit
	role string
}

type callerKey struct{}

func as(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// who returns who asks, as it stands in the audit. Over the unix socket it is the
// local admin.
func (s *Server) who(ctx context.Context) string {
	if c, ok := ctx.Value(callerKey{}).(caller); ok {
		return c.by
	}
	return "dba@" + string(s.node.Name())
}

// needs returns the role that a request asks for.
func needs(r *http.Request) string {
	raft := strings.HasPrefix(r.URL.Path, "/v1/raft") || strings.HasPrefix(r.URL.Path, "/v1/tokens")
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return roleViewer
	case raft:
		return roleAdmin
	}
	return roleOperator
}

func covers(has, needed string) bool {
	order := []string{roleViewer, roleOperator, roleAdmin}
	return slices.Index(order, has) >= slices.Index(order, needed)
}

// bearer returns who shows a token; ok is false if none is shown, and role is empty if
// it is not one of the ring's.
func (s *Server) bearer(r *http.Request) (c caller, ok bool) {
	secret, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return caller{}, false
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	shown := hex.EncodeToString(sum[:])
	for _, t := range s.node.Snapshot().Tokens {
		if subtle.ConstantTimeCompare([]byte(t.Hash), []byte(shown)) == 1 {
			c = caller{by: t.Name + "@" + string(s.node.Name()), role: t.Role}
		}
	}
	return c, true
}

// guardTLS lets pass what the caller's certificate or token allows.
func (s *Server) guardTLS(next http.Handler) http.Handler {
	return guardAny(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, shown := s.bearer(r)
		if !shown && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && s.cfg.Peer != nil {
			name, role := s.cfg.Peer(*r.TLS)
			who = caller{by: name + "@" + string(s.node.Name()), role: role}
		}
		needed := needs(r)
		open := r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
		switch {
		case covers(who.role, needed) || open && needed == roleViewer:
			next.ServeHTTP(w, r.WithContext(as(r.Context(), who)))
		case who.role == roleNone:
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeProblem(w, newProblem(http.StatusUnauthorized, ProblemDenied,
				"%s %s: who asks? Show a token (--token-file; sqlring token create) or a certificate (--cert; sqlring tls cert create)", r.Method, r.URL.Path))
		default:
			writeProblem(w, newProblem(http.StatusForbidden, ProblemDenied,
				"%s %s needs the role %s, %s is a %s", r.Method, r.URL.Path, needed, who.by, who.role))
		}
	}))
}
