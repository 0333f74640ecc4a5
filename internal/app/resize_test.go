package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
)

// What sessions of the proxy notice of a resize: an idle one counts by the new stride at
// its next statement, a transaction goes on by the old one and commits, and one that
// outlasts the grace is undone, which applications know.
func TestSessionsOverAResize(t *testing.T) {
	r := startRig(t, 2)
	setup := r.pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE shop", "CREATE TABLE shop.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT)",
		"CREATE USER app@'%' IDENTIFIED BY 'apple'", "GRANT ALL ON shop.* TO app@'%'",
	} {
		if _, err := setup.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	db := r.pool(t, func(cfg *mysql.Config) { cfg.User, cfg.Passwd = "app", "apple" })
	idle, quick, slow := ofItsOwn(t, db), ofItsOwn(t, db), ofItsOwn(t, db)
	for _, c := range []*sql.Conn{quick, slow} {
		runs(t, c, "BEGIN")
		insertID(t, c)
	}
	runs(t, slow, "SELECT 1")
	insertID(t, idle)

	const grace = 3 * time.Second
	began := time.Now()
	if _, err := r.client.Resize(t.Context(), api.ResizeRequest{Stride: 32, GraceMS: grace.Milliseconds()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "every member gives the later stride to new sessions", func() error {
		a, err := r.client.Autoinc(t.Context())
		if err == nil && (a.Resize == nil || a.Resize.Left > 0 || a.Resize.Older == nil || *a.Resize.Older == 0) {
			err = fmt.Errorf("%+v", a.Resize)
		}
		return err
	})
	eventually(t, 5*time.Second, "an idle session counts by the later stride", func() error {
		if a, b := insertID(t, idle), insertID(t, idle); b-a != 32 {
			return fmt.Errorf("%d after %d", b, a)
		}
		return nil
	})
	if a, b := insertID(t, quick), insertID(t, quick); b-a != 16 {
		t.Errorf("a transaction of before: %d after %d", b, a)
	}
	runs(t, quick, "COMMIT")
	eventually(t, 5*time.Second, "and so does the other one after its COMMIT", func() error {
		if a, b := insertID(t, quick), insertID(t, quick); b-a != 32 {
			return fmt.Errorf("%d after %d", b, a)
		}
		return nil
	})
	if since := time.Since(began); since > grace {
		t.Fatalf("this took %s, longer than the grace: nothing is shown", since)
	}
	if a, err := r.client.Autoinc(t.Context()); err != nil || a.Stride != 16 {
		t.Errorf("stride %d while a session of 16 is left, %v", a.Stride, err)
	}
	eventually(t, 20*time.Second, "the ring is resized", func() error {
		a, err := r.client.Autoinc(t.Context())
		if err == nil && a.Stride != 32 {
			err = fmt.Errorf("%+v", a.Resize)
		}
		return err
	})
	if since := time.Since(began); since < grace {
		t.Errorf("it was over after %s, the grace is %s", since, grace)
	}
	_, err := slow.ExecContext(t.Context(), "INSERT INTO shop.t (v) VALUES (1)")
	var told *mysql.MySQLError
	if !errors.As(err, &told) || told.Number != 1213 {
		t.Errorf("a transaction that outlasts the grace: %v, want 1213", err)
	}
	insertID(t, slow) // its client runs it again, on the same connection
	if v, err := r.client.VerifyAutoinc(t.Context()); err != nil || v.OK == nil || !*v.OK || v.Members[0].Meant.Stride != 32 {
		t.Errorf("%+v, %v", v, err)
	}
}

func ofItsOwn(t *testing.T, db *sql.DB) *sql.Conn {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func runs(t *testing.T, c *sql.Conn, statement string) {
	t.Helper()
	if _, err := c.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func insertID(t *testing.T, c *sql.Conn) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	result, err := c.ExecContext(ctx, "INSERT INTO shop.t (v) VALUES (1)")
	if err != nil {
		t.Fatal(err)
	}
	id, _ := result.LastInsertId()
	return id
}
