package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// What members count by is found when somebody changes it behind sqlring's back,
// and is right again soon; and the keys of real tables are seen to be used up.
func TestCountingIsVerifiedAndKeysAreMeasured(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	verified := func() error {
		v, err := r.client.VerifyAutoinc(t.Context())
		if err == nil && (v.OK == nil || !*v.OK) {
			err = fmt.Errorf("%+v", v.Members)
		}
		return err
	}
	if err := verified(); err != nil {
		t.Fatal(err)
	}
	r.servers[1].Exec(t, "SET GLOBAL auto_increment_offset=7")
	v, err := r.client.VerifyAutoinc(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The controller may have been quicker than the question.
	if m := v.Members[1]; m.OK != nil && !*m.OK && (*m.Global != autoinc.Layout{Offset: 7, Stride: 16} || !strings.Contains(m.What, "7/16")) {
		t.Errorf("m2 with a changed offset: %+v", m)
	}
	eventually(t, 5*time.Second, "the offset is right again", verified)

	db := r.pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE shop", "CREATE TABLE shop.tiny (a TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY)",
		"CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY)",
		"INSERT INTO shop.tiny VALUES (),(),(),(),(),(),(),(),(),(),(),(),()", "INSERT INTO shop.orders VALUES ()",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	report, err := r.client.Headroom(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if report.Total != 2 || len(report.Unknown) != 0 || report.Stride != 16 {
		t.Fatalf("headroom: %+v", report)
	}
	// Thirteen rows of slot 1 are 1, 17, … 193: three more fit, 209, 225 and 241.
	tiny := report.Columns[0]
	if tiny.Table != "tiny" || tiny.Owner != "m1" || tiny.Left != 3 || tiny.Level != "watch" {
		t.Fatalf("tiny: %+v", tiny)
	}
	for i := range 4 {
		_, err := db.ExecContext(t.Context(), "INSERT INTO shop.tiny VALUES ()")
		if full := i == 3; (err != nil) != full {
			t.Errorf("row %d of three that fit: %v", i+1, err)
		}
	}
	if plan, err := r.client.PlanResize(t.Context(), 32); err != nil || plan.FreeAfter != 30 || len(plan.Columns) == 0 {
		t.Errorf("plan: %+v, %v", plan, err)
	}

	r.servers[0].Kill()
	r.servers[1].Kill()
	eventually(t, 20*time.Second, "keys that nobody can be asked for are unknown", func() error {
		report, err := r.client.Headroom(t.Context(), 10)
		if err == nil && (len(report.Unknown) == 0 || len(report.Columns) > 0) {
			err = errors.New("they are known")
		}
		return err
	})
	if v, err := r.client.VerifyAutoinc(t.Context()); err != nil || v.OK != nil {
		t.Errorf("with every member dead: %+v, %v", v, err)
	}
}
