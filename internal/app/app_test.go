package app_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(envNode); config != "" {
		os.Exit(runNode(config))
	}
	mysqltest.Main(m)
}

// TestRingFromEmptyServers is the product's first promise from end to end: two
// empty servers become a ring, DDL and 10 000 inserts go through the proxy, both
// members end up equal, and every id is in the owner's class.
func TestRingFromEmptyServers(t *testing.T) {
	r := startRig(t, 2)
	db := r.pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE shop",
		"CREATE TABLE shop.t (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, worker INT, n INT)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	const workers, each = 10, 1000
	done := make(chan error, workers)
	for w := range workers {
		go func() {
			for n := range each {
				if _, err := db.ExecContext(t.Context(), "INSERT INTO shop.t (worker, n) VALUES (?, ?)", w, n); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	m1, m2 := r.servers[0], r.servers[1]
	eventually(t, 30*time.Second, "m2 has every row", func() error {
		if checksum(t, m1, "shop.t") != checksum(t, m2, "shop.t") {
			return errors.New("the checksums differ")
		}
		return nil
	})
	for _, s := range r.servers {
		if n := s.Query(t, "SELECT COUNT(*) FROM shop.t"); n != "10000" {
			t.Errorf("%s has %s rows", s.Name, n)
		}
		if n := s.Query(t, "SELECT COUNT(*) FROM shop.t WHERE id % 16 <> 1"); n != "0" {
			t.Errorf("%s: %s ids are outside of the owner's slot", s.Name, n)
		}
	}
}

// TestLagIsReadBackWithinItsBound holds the applier of m2 by a row lock for a
// known time, and reads the lag back meanwhile: the truth lies in the bounds.
func TestLagIsReadBackWithinItsBound(t *testing.T) {
	r := startRig(t, 2)
	conn, err := r.servers[1].DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	before := time.Now()
	for _, statement := range []string{"BEGIN", "SELECT * FROM sqlring.heartbeat WHERE member='m1' FOR UPDATE"} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	after := time.Now()
	for range 8 {
		time.Sleep(400 * time.Millisecond)
		asked := time.Now()
		c := cell(t, r.lags(t), "m1", "m2")
		if c.LowMS == nil || c.HighMS == nil || c.AgeMS == nil {
			t.Fatalf("the lag of m2 from m1 is not known: %+v", c)
		}
		low, bound := time.Duration(*c.LowMS)*time.Millisecond, time.Duration(*c.HighMS-*c.LowMS)*time.Millisecond
		// The truth of a reading is that of its moment, and the last beat before
		// the lock may have been on its way.
		const hop = 50 * time.Millisecond
		age := time.Duration(*c.AgeMS) * time.Millisecond
		atMost, atLeast := time.Since(before), asked.Sub(after)-age
		if age > bar(time.Second) {
			t.Errorf("the reading is %s old", age)
		}
		if low > atMost || low+bound+hop < atLeast {
			t.Errorf("held for %s to %s, read %s (+%s)", atLeast, atMost, low, bound)
		}
		if bound > time.Second {
			t.Errorf("the bound is %s wide", bound)
		}
		t.Logf("held for %s, read %s (+%s)", asked.Sub(after).Round(time.Millisecond), low, bound)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the lag is over", func() error {
		if low, _ := r.lag(t, "m1", "m2"); low > 0 {
			return errors.New("lag " + low.String())
		}
		return nil
	})
}
