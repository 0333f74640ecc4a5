package mysqld

import (
	"context"

	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Facts reads what checks look at: see [Member.Facts]. A server without a name is no
// member: its handle is made for this call alone.
func (f *Fleet) Facts(ctx context.Context, m topology.Member, parts []ringcheck.Part) ringcheck.Member {
	if m.ID == "" {
		stranger := New(f.cfg, topology.MemberID(m.Addr), m.Addr)
		defer stranger.Close()
		return stranger.Facts(ctx, parts)
	}
	return f.Member(m).Facts(ctx, parts)
}
