package app_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/rowcheck"
)

const (
	resumedTables, resumedRows = 4, 2000 // goods.t1 to goods.t4
	resumedChunk               = 50
)

// TestVerifyGoesOnWhereItWas: a comparison of four tables runs on the node that leads three.
// It is stopped by word and resumed, then its node is killed -9 and started again, follows
// another leader, and resumes it. What was found before each break is told at the end, what
// was damaged ahead of it meanwhile is found, and what was damaged behind it is not: what
// was compared is not compared again.
func TestVerifyGoesOnWhereItWas(t *testing.T) {
	beside(t)
	n := startNodes(t)
	lead := n.leader(t)
	at := n.nodes[lead]
	at.exec(t, "CREATE DATABASE goods")
	for i := range resumedTables {
		at.exec(t, fmt.Sprintf("CREATE TABLE goods.t%d (id INT PRIMARY KEY, v INT)", i+1),
			mysqltest.Words(t, fmt.Sprintf("INSERT INTO goods.t%d SELECT seq, seq FROM goods.seq_1_to_%d", i+1, resumedRows)))
	}
	away := n.servers[1]
	eventually(t, 20*time.Second, "m2 has all rows", func() error {
		var rows int
		err := away.DB().QueryRowContext(t.Context(), fmt.Sprintf("SELECT COUNT(*) FROM goods.t%d", resumedTables)).Scan(&rows)
		if err == nil && rows != resumedRows {
			err = fmt.Errorf("it has %d", rows)
		}
		return err
	})
	// Each takes the comparison a fifth of a second: so a break is in the midst.
	for _, table := range []string{"t1", "t2"} {
		var ids []int
		for id := 10; id < resumedRows; id += resumedRows / 12 {
			ids = append(ids, id)
		}
		damage(t, away, table, ids...)
	}

	if _, err := at.client.Verify(t.Context(), api.VerifyRequest{Schema: "goods", Chunk: resumedChunk}); err != nil {
		t.Fatal(err)
	}
	at.untilFound(t, 3)
	stopped, err := at.client.StopVerify(t.Context())
	if err != nil || stopped.State != rowcheck.StateStopped || stopped.Cursor.Table > "goods.t2" || stopped.Cursor.After == nil || stopped.Ended == nil {
		t.Fatalf("stopped by word: %+v, %v", stopped, err)
	}
	damage(t, away, "t1", 1) // behind
	damage(t, away, "t4", 5) // ahead

	resume(t, at)
	seen := at.untilFound(t, 16)
	died := n.procs[lead].deaths()
	n.procs[lead].signal(t, syscall.SIGKILL)
	n.leader(t, lead)
	kept := at.untilStopped(t, n.procs[lead], died)
	if kept.ID != stopped.ID || kept.Why != "the node was stopped" || kept.Found < stopped.Found || kept.Cursor.Table == "" {
		t.Errorf("kept when the node was killed: %+v", kept)
	}
	// Its place is kept behind a chunk, every second.
	last := seen[len(seen)-1]
	i := slices.IndexFunc(seen, func(s verifySeen) bool { return last.at.Sub(s.at) < 5*time.Second })
	if kept.Rows <= stopped.Rows+resumedChunk || kept.Rows < seen[i].rows {
		t.Errorf("%d rows are kept; it was at %d when it was stopped, at %d five seconds before the death, at %d then", kept.Rows, stopped.Rows, seen[i].rows, last.rows)
	}
	damage(t, away, "t1", 2)
	damage(t, away, "t3", 7)

	resume(t, at)
	end := at.awaitVerify(t)
	if got, want := differing(end), []string{"t1: 12", "t2: 12", "t3: 1", "t4: 1"}; !slices.Equal(got, want) || end.State != rowcheck.StateDone || end.Found != 26 {
		t.Errorf("found in tables: %q (%d), want %q; %s %s", got, end.Found, want, end.State, end.Why)
		for _, d := range end.Differences {
			t.Logf("%s %s: %+v", d.FullName(), d.Shown, d.Columns)
		}
	}
	// The chunk that it was stopped in is compared twice.
	if all := uint64(resumedTables * resumedRows); end.ID != stopped.ID || end.Rows < all || end.Rows > all+resumedChunk || end.Verdict() != 3 {
		t.Errorf("%d rows were compared of %d in chunks of %d: %+v", end.Rows, all, resumedChunk, end)
	}
	t.Logf("FIGURE verify resumed twice: stopped at %d rows, killed at %d, of which %d are kept; %d of %d rows compared", stopped.Rows, last.rows, kept.Rows, end.Rows, resumedTables*resumedRows)
	if _, err := at.client.Verify(t.Context(), api.VerifyRequest{Resume: true}); err == nil {
		t.Error("one that is through is resumed")
	}
}

// damage changes rows of a member behind the ring's back.
func damage(t *testing.T, s *mysqltest.Server, table string, ids ...int) {
	t.Helper()
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ","), "[]")
	s.Exec(t, fmt.Sprintf("SET SESSION sql_log_bin=0; UPDATE goods.%s SET v=-1 WHERE id IN (%s); SET SESSION sql_log_bin=1", table, list))
}

func resume(t *testing.T, r *rig) {
	t.Helper()
	eventually(t, 10*time.Second, "it goes on", func() error {
		_, err := r.client.Verify(t.Context(), api.VerifyRequest{Resume: true})
		return err
	})
}

// verifySeen is how far a comparison was at a moment.
type verifySeen struct {
	at   time.Time
	rows uint64
}

// untilFound waits until that many rows are found to differ, and returns how far it was until then.
func (r *rig) untilFound(t *testing.T, found int) (seen []verifySeen) {
	t.Helper()
	eventually(t, 2*time.Minute, fmt.Sprintf("%d rows are found", found), func() error {
		asked := time.Now()
		run, err := r.client.LastVerify(t.Context())
		if err != nil {
			return err
		}
		if run.State != rowcheck.StateRunning {
			t.Fatalf("it is %s with %d found: %s", run.State, run.Found, run.Why)
		}
		if seen = append(seen, verifySeen{asked, run.Rows}); run.Found < found {
			err = fmt.Errorf("%d are, at %s; %s", run.Found, run.Table, run.Why)
		}
		return err
	})
	return seen
}

// untilStopped waits until the node's process has died once more and is there again, and returns what it knows.
func (r *rig) untilStopped(t *testing.T, p *nodeProcess, deaths int) (kept rowcheck.Run) {
	t.Helper()
	eventually(t, 30*time.Second, "the node is there again", func() (err error) {
		if p.deaths() == deaths {
			return errors.New("it has not died")
		}
		kept, err = r.client.LastVerify(t.Context())
		return err
	})
	if kept.State != rowcheck.StateStopped {
		t.Fatalf("after the death of its node it is %+v", kept)
	}
	return kept
}
