package app_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/rowcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// damagedTables have a key or a type each in which a comparison could go wrong.
func damagedTables(t *testing.T) []string {
	uuid := "UUID"
	if mysqltest.Flavour(t) == topology.FlavourMySQL { // has no such type
		uuid = "CHAR(36)"
	}
	return []string{
		"CREATE TABLE goods.plain (id INT PRIMARY KEY, v INT, w VARCHAR(100))",
		"INSERT INTO goods.plain SELECT seq, seq*2, CONCAT('value ', seq) FROM seq_1_to_5000",
		"CREATE TABLE goods.pair (a VARCHAR(20) COLLATE utf8mb4_general_ci, b INT, v INT, PRIMARY KEY (a, b))",
		"INSERT INTO goods.pair SELECT CONCAT('é', seq % 7, '\\''), seq, seq FROM seq_1_to_700",
		"CREATE TABLE goods.bytes (k VARBINARY(16) PRIMARY KEY, v MEDIUMBLOB)",
		"INSERT INTO goods.bytes SELECT UNHEX(LEFT(SHA2(seq, 256), 32)), REPEAT(UNHEX('00FF27'), 20000) FROM seq_1_to_50",
		"CREATE TABLE goods.latin (k CHAR(10) CHARACTER SET latin1 COLLATE latin1_german1_ci PRIMARY KEY, v TEXT CHARACTER SET latin1)",
		"INSERT INTO goods.latin SELECT CONCAT('ä', seq), CONCAT('ß', seq) FROM seq_1_to_300",
		`CREATE TABLE goods.kinds (id DOUBLE PRIMARY KEY, f FLOAT, d DOUBLE, n DECIMAL(30,10), e ENUM('a','b','c'), s SET('x','y','z'), b BIT(9),
			dt DATETIME(6), ts TIMESTAMP(3) NULL, ti TIME(2), y YEAR, j JSON, big BIGINT UNSIGNED, txt LONGTEXT, u ` + uuid + `, p POINT, twice INT AS (big % 1000 * 2) VIRTUAL, kept INT AS (big % 1000) STORED)`,
		`INSERT INTO goods.kinds (id, f, d, n, e, s, b, dt, ts, ti, y, j, big, txt, u, p) SELECT seq/7, seq/3, seq/9, seq/11, 1+seq%3, seq%8, seq%512, '2026-01-01 00:00:00.123456', '2026-01-01 00:00:00.123',
			'-12:30:00.25', 2026, CONCAT('{"a": ', seq, '}'), 18446744073709551615-seq, REPEAT('ü', 1000), UUID(), POINT(seq, seq) FROM seq_1_to_200`,
		"CREATE TABLE goods.stamps (at TIMESTAMP(6) NOT NULL DEFAULT '2026-01-01 00:00:00', e ENUM('p','q') NOT NULL, v INT NULL, PRIMARY KEY (at, e))",
		"INSERT INTO goods.stamps SELECT TIMESTAMP('2026-01-01 00:00:00') + INTERVAL seq*1001 MICROSECOND, 1+seq%2, NULL FROM seq_1_to_500",
		"CREATE TABLE goods.bare (a INT, b INT)",
		"INSERT INTO goods.bare SELECT seq % 3, 1 FROM seq_1_to_30",
		"CREATE TABLE goods.hot (id INT PRIMARY KEY, n INT)", "INSERT INTO goods.hot SELECT seq, 0 FROM seq_1_to_20",
	}
}

// damages are what is done behind the ring's back, and the rows that differ by it.
func damages() (m2, m3 []string, want []string) {
	m2 = []string{
		"UPDATE goods.plain SET v=v+1 WHERE id=1", "UPDATE goods.plain SET w=NULL WHERE id=2500", "DELETE FROM goods.plain WHERE id IN (5000, 77)",
		"INSERT INTO goods.plain VALUES (9999, 1, 'extra'), (-5, 0, '')",
		"UPDATE goods.pair SET v=0 WHERE a='é3\\'' AND b=3", "DELETE FROM goods.pair WHERE b=700",
		"UPDATE goods.bytes SET v=CONCAT(SUBSTRING(v, 1, 59999), UNHEX('28')) WHERE k=UNHEX(LEFT(SHA2(7, 256), 32))",
		"UPDATE goods.kinds SET f=f+1e-5 WHERE big=18446744073709551614", "UPDATE goods.kinds SET d=d*(1+1e-15) WHERE big=18446744073709551613",
		"UPDATE goods.kinds SET e='' WHERE big=18446744073709551612", "UPDATE goods.kinds SET ts=NULL WHERE big=18446744073709551611",
		"UPDATE goods.kinds SET j='{\"a\": 6, \"b\": 6}' WHERE big=18446744073709551609", "UPDATE goods.kinds SET p=POINT(1, 2) WHERE big=18446744073709551608",
		"UPDATE goods.kinds SET big=1 WHERE big=18446744073709551607", "UPDATE goods.kinds SET txt=CONCAT(txt, ' ') WHERE big=18446744073709551606",
		"INSERT INTO goods.bare VALUES (2, 2)",
	}
	m3 = []string{
		"UPDATE goods.plain SET v=v+2 WHERE id=1", "UPDATE goods.plain SET w='' WHERE id=4000",
		"UPDATE goods.latin SET k=UPPER(k) WHERE k='ä5'", "UPDATE goods.latin SET v='SS6' WHERE k='ä6'", "INSERT INTO goods.latin VALUES ('zz', NULL)",
		"UPDATE goods.stamps SET v=0 WHERE v IS NULL ORDER BY at LIMIT 1", "DELETE FROM goods.stamps ORDER BY at DESC LIMIT 1",
		"DELETE FROM goods.bytes WHERE k=UNHEX(LEFT(SHA2(9, 256), 32))",
	}
	want = []string{
		"bare: 1", "bytes: 2", "kinds: 8", "latin: 4", "pair: 2", "plain: 7", "stamps: 2",
	}
	return m2, m3, want
}

// awaitVerify waits for the end of what compares or repairs. On a machine with other work
// members lag, and it waits for them.
func (r *rig) awaitVerify(t *testing.T) (last rowcheck.Run) {
	t.Helper()
	eventually(t, 4*time.Minute, "the comparison ends", func() (err error) {
		last, err = r.client.LastVerify(t.Context())
		switch {
		case err == nil && last.State == rowcheck.StateRunning:
			err = fmt.Errorf("it is at %s: %d rows; %s", last.Table, last.Rows, last.Why)
		case err == nil && last.Repair != nil && last.Repair.State == rowcheck.StateRunning:
			err = fmt.Errorf("the repair has written %d of %d", last.Repair.Written, last.Repair.Total)
		}
		return err
	})
	return last
}

func (r *rig) verify(t *testing.T, req api.VerifyRequest) rowcheck.Run {
	t.Helper()
	if _, err := r.client.Verify(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	return r.awaitVerify(t)
}

// TestDamagedRowsAreFoundAndRepairedUnderLoad: three members take writes all the time.
// Before anything is damaged nothing is said to differ; then every damaged row is found
// and no other one, and after the repair the tables have equal checksums. No client sees
// an error.
func TestDamagedRowsAreFoundAndRepairedUnderLoad(t *testing.T) {
	beside(t)
	r := startRig(t, 3)
	work := r.startWorkload(t)
	db := r.pool(t, nil)
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	exec("CREATE DATABASE goods")
	db = r.pool(t, func(cfg *mysql.Config) { cfg.DBName = "goods" })
	for _, statement := range damagedTables(t) {
		exec(mysqltest.Words(t, statement))
	}
	stop := r.heat(t)
	defer stop()

	clean := r.verify(t, api.VerifyRequest{Chunk: 400})
	if clean.State != rowcheck.StateDone || clean.Found > 0 || clean.Compared < 11 || clean.Rows < 6000 {
		t.Fatalf("before the damage: %+v", clean)
	}
	t.Logf("FIGURE verify under load: %d rows, %d chunks, %d read again, %.0f rows/s, %d unsettled", clean.Rows, clean.Chunks, clean.Rechecks, clean.PerS, len(clean.Unsettled))

	m2, m3, want := damages()
	for i, statements := range [][]string{m2, m3} {
		r.servers[i+1].Exec(t, "SET SESSION sql_log_bin=0, sql_mode=''; "+strings.Join(statements, "; ")+"; SET SESSION sql_log_bin=1")
	}
	found := r.verify(t, api.VerifyRequest{Schema: "goods", Chunk: 400})
	if got := differing(found); !slices.Equal(got, want) || found.State != rowcheck.StateDone {
		t.Errorf("found in tables: %q, want %q; %s %s", got, want, found.State, found.Why)
		for _, d := range found.Differences {
			t.Logf("%s %s: %+v", d.FullName(), d.Shown, d.Columns)
		}
	}
	t.Logf("FIGURE %d damaged rows found, %d falsely; %d rows in %s, %d chunks of %d read again, %d unsettled", found.Found, max(0, found.Found-26),
		found.Rows, found.Ended.Sub(found.Began).Round(time.Millisecond), found.Rechecks, found.Chunks, len(found.Unsettled))
	r.seesValues(t, found)
	r.repairs(t, found)

	stop()
	work.end()
	acknowledged, failed, unknown, broken := work.counts()
	t.Logf("FIGURE load meanwhile: %d writes acknowledged, %d failed, %d unknown, %d connections broken", acknowledged, failed, unknown, broken)
	if msg := work.firstError(); msg != "" {
		t.Errorf("a client of the load saw: %s", msg)
	}
	r.untilEqual(t, "goods.plain", "goods.pair", "goods.bytes", "goods.latin", "goods.kinds", "goods.stamps", "goods.hot", "faults.w", "faults.account")
	for _, s := range r.servers {
		work.account(t, s)
	}
}

// seesValues looks at what is told of single rows.
func (r *rig) seesValues(t *testing.T, found rowcheck.Run) {
	t.Helper()
	for _, want := range []struct{ shown, column, member, value string }{
		{"id=1", "v", "m1", "2"},
		{"id=1", "v", "m2", "3"},
		{"id=1", "v", "m3", "4"},
		{"id=2500", "w", "m2", "NULL"},
		{"id=4000", "w", "m3", `""`},
	} {
		i := slices.IndexFunc(found.Differences, func(d rowcheck.Difference) bool { return d.Table == "plain" && d.Shown == want.shown })
		if i < 0 {
			t.Errorf("row %s is not among the differences", want.shown)
			continue
		}
		columns := found.Differences[i].Columns
		if len(columns) != 1 || columns[0].Name != want.column || columns[0].Values[want.member] != want.value {
			t.Errorf("row %s: %+v, want %s to be %s on %s", want.shown, columns, want.column, want.value, want.member)
		}
	}
}

// repairs plans, is refused without the privilege, and repairs with it.
func (r *rig) repairs(t *testing.T, found rowcheck.Run) {
	t.Helper()
	plan, err := r.client.PlanRepair(t.Context(), api.RepairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	// Row 1 of plain is wrong on two members, the row of the table without a key is left alone.
	if plan.Total != found.Found || len(plan.Refused) != 1 || !strings.Contains(plan.Refused[0].Why, "no key") {
		t.Errorf("plan of %d writes for %d rows, refused: %+v", plan.Total, found.Found, plan.Refused)
	}
	if _, err := r.client.PlanRepair(t.Context(), api.RepairRequest{From: "m9"}); err == nil || !strings.Contains(err.Error(), "can not be the source") {
		t.Errorf("a source that is no member: %v", err)
	}
	if _, err := r.client.Repair(t.Context(), api.RepairRequest{Why: "test"}); err != nil {
		t.Fatal(err)
	}
	denied := r.awaitVerify(t) // the manager may insert, since it copies; not update, nor delete
	if len(denied.Repair.Failed) == 0 || denied.Repair.Written >= plan.Total || !strings.Contains(denied.Repair.Failed[len(denied.Repair.Failed)-1].Why, "GRANT INSERT, UPDATE, DELETE ON `goods`") {
		t.Errorf("without the privilege: %+v", denied.Repair)
	}
	for _, s := range r.servers {
		account := s.Query(t, "SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) FROM mysql.user WHERE User=? AND Host='127.0.0.1'", r.cfg.Manager.User)
		s.Exec(t, "SET SESSION sql_log_bin=0; GRANT INSERT, UPDATE, DELETE ON goods.* TO "+account+"; SET SESSION sql_log_bin=1")
	}
	if _, err := r.client.Repair(t.Context(), api.RepairRequest{Why: "test"}); err != nil {
		t.Fatal(err)
	}
	done := r.awaitVerify(t)
	if done.Repair.State != rowcheck.StateDone || denied.Repair.Written+done.Repair.Written != plan.Total || len(done.Repair.Failed) != 1 {
		t.Errorf("the repair: %+v", done.Repair)
	}
	t.Logf("FIGURE repair: %d rows written and proved in %s", done.Repair.Written, done.Repair.Ended.Sub(done.Repair.Began).Round(time.Millisecond))
	for _, d := range done.Differences {
		if !d.Mended && d.Table != "bare" {
			t.Errorf("%s %s is not mended", d.FullName(), d.Shown)
		}
	}
	again := r.verify(t, api.VerifyRequest{Schema: "goods"})
	if got := differing(again); !slices.Equal(got, []string{"bare: 1"}) {
		t.Errorf("after the repair these differ: %q", got)
	}
}

// differing counts the rows that differ, by table.
func differing(run rowcheck.Run) []string {
	count := map[string]int{}
	for _, d := range run.Differences {
		count[d.Table]++
	}
	var list []string
	for table, n := range count {
		list = append(list, fmt.Sprintf("%s: %d", table, n))
	}
	slices.Sort(list)
	return list
}

// heat updates a few rows all the time, through the proxy.
func (r *rig) heat(t *testing.T) (stop func()) {
	t.Helper()
	db := r.pool(t, func(cfg *mysql.Config) { cfg.DBName = "goods" })
	ended, quit := make(chan error, 1), make(chan struct{})
	go func() {
		for i := 0; ; i++ {
			select {
			case <-quit:
				ended <- nil
				return
			case <-time.After(3 * time.Millisecond):
			}
			if _, err := db.ExecContext(t.Context(), fmt.Sprintf("UPDATE hot SET n=n+1 WHERE id=%d", 1+i%20)); err != nil && !errors.Is(err, t.Context().Err()) {
				ended <- err
				return
			}
		}
	}()
	stopped := false
	return func() {
		if stopped {
			return
		}
		stopped = true
		close(quit)
		if err := <-ended; err != nil {
			t.Errorf("a client of the hot rows saw: %v", err)
		}
	}
}
