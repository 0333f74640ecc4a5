package app_test

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/ringcheck"
)

// TestChecksOfARingThatIsMadeWrong asks a node whose ring is well, then makes members, a
// server that is to become one, and the node itself wrong.
func TestChecksOfARingThatIsMadeWrong(t *testing.T) {
	r := startRig(t, 2)
	has := func(report api.CheckReport, check, member string) bool {
		return slices.ContainsFunc(report.Findings, func(f ringcheck.Finding) bool { return f.Check == check && f.Member == member })
	}
	eventually(t, 20*time.Second, "a ring that is well has no finding", func() error {
		report, err := r.client.RingCheck(t.Context(), nil, nil, true)
		if err != nil {
			return err
		}
		return nothingFound(report)
	})
	disks, err := r.client.RingCheck(t.Context(), nil, []string{"disk"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range disks.Findings {
		if f.Object == "disk" { // else it is named by its path
			t.Errorf("asked for the disk alone: %s: %s", f.Member, f.Found)
		}
	}
	db := r.pool(t, nil)
	for _, statement := range []string{"CREATE DATABASE shop", "CREATE TABLE shop.plain (a INT)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	r.servers[1].Exec(t, "SET GLOBAL wait_timeout=20, sql_mode=''") // not of those that the controller puts right
	candidate := mysqltest.Start(t, "gtid_strict_mode=0", "lower_case_table_names=1")
	began := time.Now()
	report, err := r.client.CheckCandidate(t.Context(), api.CandidateRequest{Address: candidate.Addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("FIGURE %d checks of 3 servers in %s", report.Ran, time.Since(began).Round(time.Millisecond))
	for check, member := range map[string]string{
		"primary-keys": "m1", "idle-connections": "m2", "sql-mode-strict": "m2", "gtid-strict": candidate.Addr, "case-of-names": candidate.Addr,
	} {
		if !has(report, check, member) {
			t.Errorf("%s of %s is not found: %+v", check, member, report.Findings)
		}
	}
	if report.Verdict() != 3 || len(report.First) == 0 || report.First[0].Severity != ringcheck.Critical {
		t.Errorf("verdict %d, first: %+v", report.Verdict(), report.First)
	}
	r.servers[1].Kill()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	began = time.Now()
	report, err = r.client.CheckCandidate(t.Context(), api.CandidateRequest{Address: l.Addr().String(), Only: []string{"binlog-on", "clock"}})
	if err != nil || time.Since(began) > 30*time.Second {
		t.Fatalf("a server that is silent: %v after %s", err, time.Since(began))
	}
	for _, who := range []string{"m2", l.Addr().String()} {
		if !slices.ContainsFunc(report.Unknown, func(u ringcheck.Unread) bool { return u.Member == who && u.Check == "binlog-on" }) {
			t.Errorf("%s is not said to be unknown: %+v", who, report.Unknown)
		}
	}
}

// nothingFound returns what is worse than a notice, or unknown. How full the disk is, is the
// test machine's affair.
func nothingFound(r api.CheckReport) error {
	for _, f := range r.Findings {
		if f.Severity > ringcheck.Notice && f.Check != "disk" {
			return wrong{f.Check + " " + f.Member + ": " + f.Found}
		}
	}
	for _, u := range r.Unknown {
		return wrong{u.Check + " " + u.Member + ": " + u.Why}
	}
	return nil
}

type wrong struct{ what string }

func (w wrong) Error() string { return w.what }
