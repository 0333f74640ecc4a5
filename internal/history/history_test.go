package history_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/history"
)

// TestCheck: what is linearizable, and what is not.
func TestCheck(t *testing.T) {
	write := func(epoch uint64, member string, call, answer time.Duration) history.Write {
		return history.Write{Unit: "*", Epoch: epoch, Member: member, Call: call, Return: answer}
	}
	grant := func(from, to uint64, owner string, call time.Duration) history.Grant {
		return history.Grant{Unit: "*", From: from, To: to, Owner: owner, Call: call}
	}
	moved := []history.Grant{grant(0, 1, "m1", 0), grant(1, 2, "", 10), grant(2, 3, "m2", 20)}
	for _, tt := range []struct {
		name   string
		grants []history.Grant
		writes []history.Write
		want   error
	}{
		{"one after the other", moved, []history.Write{write(1, "m1", 1, 5), write(3, "m2", 25, 30)}, nil},
		{"a lease outlives raft's order", moved, []history.Write{write(1, "m1", 12, 18), write(3, "m2", 25, 30)}, nil},
		{"an answer that is read late", moved, []history.Write{write(3, "m2", 25, 30), write(1, "m1", 8, 40)}, nil},
		{"begun in an ended epoch", moved, []history.Write{write(3, "m2", 25, 30), write(1, "m1", 31, 40)}, history.ErrNotLinearizable},
		{"by who is not the owner", moved, []history.Write{write(3, "m1", 25, 30)}, history.ErrNotLinearizable},
		{"before it was granted", moved, []history.Write{write(3, "m2", 12, 19)}, history.ErrNotLinearizable},
		{"in an epoch without an owner", moved, []history.Write{write(2, "m1", 12, 19)}, history.ErrNotLinearizable},
		{"two owners, by the writes alone", nil, []history.Write{write(1, "m1", 1, 5), write(1, "m2", 2, 6)}, history.ErrNotLinearizable},
		{"back to an ended epoch, by the writes alone", nil, []history.Write{write(1, "m1", 1, 5), write(3, "m2", 6, 8), write(1, "m1", 9, 10)}, history.ErrNotLinearizable},
		{"at once, by the writes alone", nil, []history.Write{write(1, "m1", 1, 9), write(3, "m2", 2, 8)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grants := tt.grants
			if grants == nil {
				grants = history.Inferred(tt.writes)
			}
			if err := history.Check(grants, tt.writes, time.Minute); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}
