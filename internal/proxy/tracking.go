package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The proxy has a member's sessions report every change (setup.go). A client that
// looks at the variables of that, or sets them, shall find its own: for such a
// statement, and no longer, the link has the client's values, and reports what the
// client has asked for. What else the statement may change is settled before it is
// let do so (balancer.ShowsTracking).

// errReleased ends a session as its client has asked for.
var errReleased = errors.New("COMMIT RELEASE, or ROLLBACK RELEASE")

// own is what a statement has to do with the session's own connection.
type own struct {
	tracking bool             // it shows or sets what the client is told of
	release  balancer.Release // it ends the connection
	released bool             // and the member has done it
}

// ownOf reads it off a statement's text, and what is known of it already. Most
// statements cost a look at their first word.
func (s *session) ownOf(text []byte, known balancer.Statement) own {
	switch known.Kind {
	case balancer.KindCommit, balancer.KindRollback:
		return own{release: balancer.ReleaseOf(text)}
	case balancer.KindRead, balancer.KindSet:
		first, _ := word(text)
		if known.Mentions.Has(balancer.MentionsTracking|balancer.MentionsSystem) || bytes.EqualFold(first, []byte("show")) {
			return own{tracking: balancer.ShowsTracking(text, s.dialect())}
		}
	case balancer.KindOther, balancer.KindChange, balancer.KindBegin, balancer.KindKill:
	}
	return own{}
}

// ends notes that the member, which has just said OK, ends the session with it. The
// client's connection is ended alike, and not given another link.
func (o *own) ends(completion string) {
	o.released = o.release == balancer.ReleaseYes ||
		o.release == balancer.ReleaseAsSet && (strings.EqualFold(completion, "RELEASE") || completion == "2")
}

// showTracking gives the link the client's own subscription, for the command that
// follows; retrack takes it back. A user variable that is set meanwhile is perhaps
// not reported.
func (s *session) showTracking() error {
	if s.link.confined || s.mem.shown {
		return nil
	}
	if s.current.Mentions.Has(balancer.MentionsVariable) {
		s.mem.stickTo(balancer.StickState)
		s.mem.vague = true
	}
	w := &s.mem.wants
	set := fmt.Sprintf("SET SESSION session_track_system_variables=%s, session_track_schema=%d, session_track_state_change=%d",
		quoted(w.variables), digit(w.schema), digit(w.state))
	if s.link.version.Flavour == topology.FlavourMySQL {
		set += ", session_track_gtids='" + map[bool]string{true: "OWN_GTID", false: "OFF"}[w.gtids] + "'"
	}
	return s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error {
		if err := s.link.own.Send(wire.Query(set)); err != nil {
			return err
		}
		if _, _, err := s.link.own.Result(s.link.caps, setupBudget); err != nil {
			return fmt.Errorf("show the session its tracking: %w", err)
		}
		s.mem.shown = true
		return nil
	})
}

func digit(on bool) int {
	if on {
		return 1
	}
	return 0
}
