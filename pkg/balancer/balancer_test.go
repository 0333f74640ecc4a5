package balancer

import (
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestOwnerOf(t *testing.T) {
	m1 := Member{ID: "m1", Network: "tcp", Addr: "127.0.0.1:1", Layout: autoinc.Layout{Offset: 1, Stride: 16}}
	m2 := Member{ID: "m2", Network: "tcp", Addr: "127.0.0.1:2", Layout: autoinc.Layout{Offset: 2, Stride: 16}}
	blind := Member{ID: "m3"}
	members := []Member{m1, m2, blind}
	unit := func(id topology.UnitID, owner topology.MemberID, epoch uint64) Unit {
		return Unit{ID: id, Owner: owner, Epoch: epoch}
	}
	tests := []struct {
		name   string
		view   *View
		unit   topology.UnitID
		ok     bool
		member topology.MemberID
		epoch  uint64
		why    Why
	}{
		{"nothing known", nil, "*", false, "", 0, WhyNoView},
		{"empty ring", &View{}, "*", false, "", 0, WhyNoUnit},
		{"rest", &View{Members: members, Units: []Unit{unit("*", "m1", 3)}}, "*", true, "m1", 3, WhyOwner},
		{"a schema of its own", &View{Members: members, Units: []Unit{unit("*", "m1", 3), unit("shop", "m2", 9)}}, "shop", true, "m2", 9, WhyOwner},
		{"a schema in the rest", &View{Members: members, Units: []Unit{unit("*", "m1", 3), unit("shop", "m2", 9)}}, "blog", true, "m1", 3, WhyRestOwner},
		{"no owner", &View{Members: members, Units: []Unit{unit("*", "", 4)}}, "*", false, "", 4, WhyNoOwner},
		{"an ownerless schema does not fall back", &View{Members: members, Units: []Unit{unit("*", "m1", 3), unit("shop", "", 9)}}, "shop", false, "", 9, WhyNoOwner},
		{"owner is no member", &View{Members: members, Units: []Unit{unit("*", "m9", 4)}}, "*", false, "", 4, WhyNoMember},
		{"slot not known", &View{Members: members, Units: []Unit{unit("*", "m3", 4)}}, "*", false, "m3", 4, WhyNoLayout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			route, ok := tt.view.OwnerOf(tt.unit)
			if ok != tt.ok || route.Member.ID != tt.member || route.Epoch != tt.epoch || route.Why != tt.why {
				t.Errorf("got %v %+v (%s)", ok, route, route.Why)
			}
		})
	}
}

func TestWhysArePrintable(t *testing.T) {
	seen := map[string]bool{}
	for w := WhyNoView; w <= WhyRestOwner; w++ {
		if seen[w.String()] || w.String()[:3] == "rea" {
			t.Errorf("reason %d prints as %q", w, w)
		}
		seen[w.String()] = true
	}
	for s := StickNone; s <= StickTruncated; s++ {
		if seen[s.String()] || s.String() == "unknown" {
			t.Errorf("stick %d prints as %q", s, s)
		}
		seen[s.String()] = true
	}
	for k := KindOther; k <= KindKill; k++ {
		if seen[k.String()] {
			t.Errorf("kind %d prints as %q", k, k)
		}
		seen[k.String()] = true
	}
}

func TestClassify(t *testing.T) {
	tests := []struct {
		text  string
		kind  Kind
		stick Stick
	}{
		{"SELECT 1", KindRead, StickNone},
		{" ( select 1)", KindRead, StickNone},
		{"/* app:7 */ SELECT 1", KindRead, StickNone},
		{"# x\n-- y\nselect 1", KindRead, StickNone},
		{"SELECT 1;", KindRead, StickNone},
		{"SELECT 1; SELECT 2", KindOther, StickBatch},
		{"SELECT GET_LOCK('a',1)", KindRead, StickUserLock},
		{"SELECT RELEASE_ALL_LOCKS()", KindRead, StickUserLock},
		{"SELECT release_lock('a')", KindRead, StickUserLock},
		{"/*!50000 SELECT 1 */", KindOther, StickUnknown},
		{"INSERT INTO t VALUES (1)", KindChange, StickNone},
		{"REPLACE INTO t VALUES (1)", KindChange, StickNone},
		{"START TRANSACTION", KindBegin, StickNone},
		{"START SLAVE", KindOther, StickUnknown},
		{"BEGIN", KindBegin, StickNone},
		{"commit work", KindCommit, StickNone},
		{"COMMIT;", KindCommit, StickNone},
		{"ROLLBACK TO a", KindRollback, StickNone},
		{"SET autocommit=0", KindSet, StickNone},
		{"SET ROLE x", KindOther, StickUnknown},
		{"SET STATEMENT a=1 FOR CALL p()", KindOther, StickUnknown},
		{"USE shop", KindSet, StickNone},
		{"KILL 7", KindKill, StickNone},
		{"CREATE TABLE t (a INT)", KindOther, StickNone},
		{"LOCK TABLES t WRITE", KindOther, StickUnknown},
		{"HANDLER t OPEN", KindOther, StickUnknown},
		{"FLUSH TABLES WITH READ LOCK", KindOther, StickUnknown},
		{"CALL p()", KindOther, StickUnknown},
		{"PREPARE s FROM 'SELECT 1'", KindOther, StickUnknown},
		{"XA START 'a'", KindOther, StickUnknown},
		{"", KindOther, StickUnknown},
		{"/* open", KindOther, StickUnknown},
	}
	for _, tt := range tests {
		got := Classify([]byte(tt.text), true)
		if got.Kind != tt.kind || got.Stick != tt.stick {
			t.Errorf("%q: %s, %s; want %s, %s", tt.text, got.Kind, got.Stick, tt.kind, tt.stick)
		}
	}
	if got := Classify([]byte("INSERT INTO t VALUES ('aaa"), false); got.Stick != StickTruncated {
		t.Errorf("the beginning of a statement: %s", got.Stick)
	}
}

func TestMention(t *testing.T) {
	tests := []struct {
		text string
		want Mentions
	}{
		{"SELECT 1", 0},
		{"SELECT a_b, _c_ FROM t_", 0},
		{"SET Session_Track_gtids=1", MentionsTracking},
		{"SELECT @a", MentionsVariable},
		{"SELECT @@a", 0},
		{"SELECT @@a, @", MentionsVariable},
		{"SELECT 'x@y.z'", MentionsVariable},
		{"SELECT 1;\n ", 0},
		{"SELECT 1; x", MentionsNext},
		{"select GET_LOCK(1)", MentionsUserLock},
		{"auto_increment_offset", MentionsLayout},
		{"SELECT Connection_ID()", MentionsThread},
	}
	for _, tt := range tests {
		if got := Mention([]byte(tt.text)); got != tt.want {
			t.Errorf("%q: %b, want %b", tt.text, got, tt.want)
		}
	}
}

func TestParseKill(t *testing.T) {
	tests := []struct {
		text   string
		ok     bool
		thread uint64
		number string
	}{
		{"KILL 7", true, 7, "7"},
		{"kill query 1073741825 ;", true, 1073741825, "1073741825"},
		{"KILL CONNECTION 8", true, 8, "8"},
		{"/* x */ KILL HARD QUERY 9", true, 9, "9"},
		{"KILL SOFT 9", true, 9, "9"},
		{"KILL QUERY ID 9", false, 0, ""},
		{"KILL CONNECTION_ID()", true, 0, "CONNECTION_ID()"},
		{"kill query connection_id ( ) ;", true, 0, "connection_id ( )"},
		{"KILL CONNECTION ?", true, 0, "?"},
		{"KILL ?", true, 0, "?"},
		{"KILL CONNECTION_ID()+1", false, 0, ""},
		{"KILL CONNECTION_ID", false, 0, ""},
		{"KILL ?+1", false, 0, ""},
		{"KILL 7 + 1", false, 0, ""},
		{"KILL -1", false, 0, ""},
		{"KILL 99999999999999999999", false, 0, ""},
		{"KILL USER app", false, 0, ""},
		{"KILL 7; SELECT 1", false, 0, ""},
		{"KILL @x", true, 0, "@x"},
		{"KILL QUERY @`a b`;", true, 0, "@`a b`"},
		{"KILL CONNECTION @$x.y", true, 0, "@$x.y"},
		{"KILL @'a'", true, 0, "@'a'"},
		{"KILL @'a\\'b'", false, 0, ""},
		{"KILL @x+1", false, 0, ""},
		{"KILL @x:=7", false, 0, ""},
		{"KILL @@x", false, 0, ""},
		{"KILL @", false, 0, ""},
		{"KILL @'", false, 0, ""},
		{"KILL", false, 0, ""},
		{"SELECT 7", false, 0, ""},
	}
	for _, tt := range tests {
		k, ok := ParseKill([]byte(tt.text))
		if ok != tt.ok || k.Thread != tt.thread || tt.text[k.Start:k.End] != tt.number {
			t.Errorf("%q: %v %+v", tt.text, ok, k)
		}
		lower := strings.ToLower(tt.text)
		if k.Query != strings.Contains(lower, "query") || k.Own != (ok && strings.Contains(lower, "connection_id")) || k.Asked != (ok && strings.Contains(lower, "?")) || k.Variable != (ok && strings.Contains(lower, "@")) {
			t.Errorf("%q: %+v", tt.text, k)
		}
	}
}

// Connection ids are found where they stand in the first column, and nowhere else.
func TestClassifyFindsThreads(t *testing.T) {
	tests := []struct {
		text string
		want Threads
	}{
		{"SHOW PROCESSLIST", ThreadsAll},
		{"/* top */ show /* all */ full processlist;", ThreadsAll},
		{"SHOW PROCESSLIST; SELECT 1", ThreadsNone},
		{"SHOW FULL TABLES", ThreadsNone},
		{"SELECT * FROM information_schema.PROCESSLIST", ThreadsNone},
		{"SELECT CONNECTION_ID()", ThreadsOwn},
		{"select connection_id ( ) ;", ThreadsOwn},
		{"SELECT CONNECTION_ID() AS id", ThreadsOwn},
		{"SELECT CONNECTION_ID() id", ThreadsOwn},
		{"SELECT CONNECTION_ID() `id`, 7 FROM t", ThreadsOwn},
		{"SELECT CONNECTION_ID() FROM DUAL", ThreadsOwn},
		{"SELECT CONNECTION_ID", ThreadsNone},
		{"SELECT CONNECTION_ID(1)", ThreadsNone},
		{"SELECT CONNECTION_ID()+1", ThreadsNone},
		{"SELECT CONNECTION_ID() = 7", ThreadsNone},
		{"SELECT CONNECTION_ID() MOD 7", ThreadsNone},
		{"SELECT CONNECTION_ID() IN (7)", ThreadsNone},
		{"SELECT (CONNECTION_ID())", ThreadsNone},
		{"SELECT 1, CONNECTION_ID()", ThreadsNone},
		{"SELECT DISTINCT CONNECTION_ID()", ThreadsNone},
		{"SELECT 'CONNECTION_ID()'", ThreadsNone},
		{"SELECT CONNECTION_ID(); SELECT 1", ThreadsNone},
		{"INSERT INTO t SELECT CONNECTION_ID()", ThreadsNone},
	}
	for _, tt := range tests {
		if got := Classify([]byte(tt.text), true).Threads; got != tt.want {
			t.Errorf("%q: %d, want %d", tt.text, got, tt.want)
		}
	}
}

// What is found of a statement stays inside of it, whatever it is.
func FuzzClassify(f *testing.F) {
	for _, text := range []string{
		"SELECT CONNECTION_ID() AS id", "SHOW FULL PROCESSLIST", "KILL QUERY 7", "KILL CONNECTION_ID()", "KILL ?", "/*!50000 KILL 7 */",
		"SET STATEMENT a=1 FOR SELECT GET_LOCK('a',1)", "SELECT 1; SELECT @a", "-- x\nCOMMIT", "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, ok := ParseKill([]byte(text))
		if k.Start < 0 || k.End < k.Start || k.End > len(text) || ok && (k.Start == k.End || k.Own && k.Asked) {
			t.Fatalf("%+v", k)
		}
		s := Classify([]byte(text), true)
		if s.Threads != ThreadsNone && s.Kind != KindRead {
			t.Fatalf("%+v", s)
		}
		if ok && s.Kind != KindKill && !s.Mentions.Has(MentionsNext) {
			t.Fatalf("a KILL is %s", s.Kind)
		}
		if part := Classify([]byte(text), false); part.Stick == StickNone {
			t.Fatal("the beginning of a statement leaves nothing behind")
		}
	})
}
