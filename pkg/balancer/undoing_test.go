package balancer

import "testing"

func TestUndoing(t *testing.T) {
	effects := EffectsOf
	var hinted Digester // MariaDB reads a comment there
	hinted.Digest([]byte("SELECT /*+ SET_VAR(sql_select_limit=0) */ RELEASE_ALL_LOCKS()"), mysql97)
	if _, ends := MakePlan(&hinted, mysql97).Undoing(); ends != 0 {
		t.Errorf("a call that a hint may keep from being made ends %v", ends)
	}
	for text, want := range map[string]struct {
		begins, ends Effects
		explains     bool
	}{
		"SELECT RELEASE_ALL_LOCKS()":                                      {ends: effects(EffectUserLock)},
		"do release_all_locks ( ) ;":                                      {ends: effects(EffectUserLock)},
		"SELECT RELEASE_ALL_LOCKS() LIMIT 0":                              {},
		"SELECT RELEASE_ALL_LOCKS() WHERE 0":                              {},
		"SELECT RELEASE_ALL_LOCKS(), GET_LOCK('a', 0)":                    {},
		"SELECT RELEASE_LOCK('a')":                                        {},
		"DO RELEASE_ALL_LOCKS(); DO GET_LOCK('a', 0)":                     {},
		"HANDLER t OPEN AS h":                                             {begins: effects(EffectHandler)},
		"HANDLER shop.t OPEN":                                             {begins: effects(EffectHandler)},
		"HANDLER h CLOSE":                                                 {ends: effects(EffectHandler)},
		"HANDLER h READ FIRST":                                            {},
		"HANDLER close READ FIRST":                                        {},
		"HANDLER h OPEN; HANDLER h CLOSE":                                 {},
		"CREATE TEMPORARY TABLE shop.t (a INT)":                           {effects(EffectTemporaryTable), 0, true},
		"CREATE TEMPORARY TABLE IF NOT EXISTS t (a INT)":                  {effects(EffectTemporaryTable), 0, true},
		"CREATE TEMPORARY TABLE t AS SELECT 1 a":                          {effects(EffectTemporaryTable), 0, true},
		"CREATE TEMPORARY TABLE t AS SELECT a FROM v":                     {effects(EffectTemporaryTable), 0, false},
		"CREATE TEMPORARY TABLE t AS SELECT @a:=1 a":                      {effects(EffectTemporaryTable), 0, false},
		"CREATE TEMPORARY TABLE t AS SELECT shop.f() a":                   {effects(EffectTemporaryTable), 0, false},
		"CREATE TABLE t (a INT)":                                          {},
		"DROP TEMPORARY TABLE IF EXISTS t":                                {0, effects(EffectTemporaryTable), true},
		"DROP TABLE shop.t":                                               {},
		"DROP TEMPORARY TABLE shop.t, u":                                  {0, effects(EffectTemporaryTable), true},
		"DROP TEMPORARY SEQUENCE s":                                       {},
		"CREATE TEMPORARY SEQUENCE s":                                     {},
		"DROP TABLE a, b":                                                 {},
		"DROP VIEW t":                                                     {},
		"CREATE TEMPORARY TABLE a (a INT); DROP TABLE a":                  {},
		"PREPARE p FROM 'DROP TABLE t'":                                   {},
		"SET STATEMENT sql_select_limit=0 FOR SELECT RELEASE_ALL_LOCKS()": {},
		"EXPLAIN SELECT RELEASE_ALL_LOCKS()":                              {},
		"CREATE PROCEDURE p() DO RELEASE_ALL_LOCKS()":                     {},
		"CREATE PROCEDURE p() BEGIN DO 1; END; DO RELEASE_ALL_LOCKS()":    {},
		"SELECT `RELEASE_ALL_LOCKS`":                                      {},
		"UNLOCK INSTANCE":                                                 {ends: effects(EffectBackupLock)},
		"LOCK INSTANCE FOR BACKUP":                                        {},
		"BACKUP UNLOCK":                                                   {ends: effects(EffectBackupLock)},
		"BACKUP LOCK shop.t":                                              {},
		"BACKUP STAGE START":                                              {},
		"BACKUP STAGE END":                                                {ends: effects(EffectBackupStage)},
	} {
		for _, d := range []Dialect{mysql97, mariadb} {
			var digester Digester
			digester.Digest([]byte(text), d)
			p := MakePlan(&digester, d)
			begins, ends := p.Undoing()
			if begins != want.begins || ends != want.ends || p.Explains() != want.explains {
				t.Errorf("%v: %s: begins %v, ends %v, explains %v", d.Flavour, text, begins, ends, p.Explains())
			}
		}
	}
}
