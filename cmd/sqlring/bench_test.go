package main

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sqlring/sqlring/internal/authority"
	"github.com/sqlring/sqlring/internal/burst"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestBenchScripts runs testdata/bench/*.txtar against a real server at $ADDR, with the
// accounts crowd, and few, which may have three connections only; and one with TLS at $SECURE, with the
// account sure, which has to use it, and the authority in $CA.
func TestBenchScripts(t *testing.T) {
	server := mysqltest.Start(t)
	server.Exec(t, "SET GLOBAL read_only=0; CREATE USER crowd@'%' IDENTIFIED BY 'happy'; GRANT ALL ON *.* TO crowd@'%'; CREATE USER few@'%' IDENTIFIED BY 'happy' WITH MAX_USER_CONNECTIONS 3; GRANT ALL ON *.* TO few@'%'")
	dir := t.TempDir()
	ca, _, err := authority.Create(dir, "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue(dir, dir, authority.Request{Name: "server", Hosts: []string{"127.0.0.1"}, Days: 2, Role: authority.RoleNode}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	secure := mysqltest.Start(t, "ssl_ca="+ca, "ssl_cert="+cert, "ssl_key="+key)
	secure.Exec(t, "SET GLOBAL read_only=0; CREATE USER sure@'%' IDENTIFIED BY 'happy' REQUIRE SSL; GRANT ALL ON *.* TO sure@'%'")
	testscript.Run(t, testscript.Params{
		Dir: "testdata/bench", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ADDR", server.Addr)
			env.Setenv("SOCKET", server.Socket)
			env.Setenv("SECURE", secure.Addr)
			env.Setenv("SECURE_LOCALHOST", strings.Replace(secure.Addr, "127.0.0.1", "localhost", 1))
			env.Setenv("CA", ca)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "result": readResult, "tables": func(ts *testscript.TestScript, neg bool, args []string) { schemaIs(ts, server, t, neg) }},
	})
}

// readResult is the command `result NAME [retried]`: the three files of a run can be read, and
// say the same; retried: some requests were tried more than once.
func readResult(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: result NAME [retried]")
	}
	var r burst.Result
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0]+".json")), &r))
	rows, err := csv.NewReader(strings.NewReader(ts.ReadFile(args[0] + ".csv"))).ReadAll()
	ts.Check(err)
	if len(rows) != len(r.Seconds)+1 || rows[0][0] != "second" {
		ts.Fatalf("%d lines for %d seconds: %q", len(rows), len(r.Seconds), rows[0])
	}
	d := xml.NewDecoder(strings.NewReader(ts.ReadFile(args[0] + ".svg")))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			ts.Fatalf("the picture is no XML: %v", err)
		}
	}
	total := r.Total
	if total.Offered == 0 || total.Good+total.Late+total.Errors+total.GaveUp+total.Lost != total.Offered {
		ts.Fatalf("not everybody's end is told: %+v", total)
	}
	if retried := len(args) > 1; retried && !(r.Amplified > 1) || !retried && (total.Good == 0 || r.Amplified < 0.99) {
		ts.Fatalf("%.2f tries each: %+v", r.Amplified, total)
	}
}

// schemaIs is the command `tables`: the schema of the load is there; with ! it is not.
func schemaIs(ts *testscript.TestScript, server *mysqltest.Server, t *testing.T, not bool) {
	if there := server.Query(t, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='"+burst.Schema+"'") == "1"; there == not {
		ts.Fatalf("the schema %s: there %t", burst.Schema, there)
	}
}
