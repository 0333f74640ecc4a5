package balancer

import "testing"

func TestShowsTracking(t *testing.T) {
	for text, want := range map[string]bool{
		"SELECT @@session_track_schema":                                        true,
		"select @@Session.session_TRACK_system_variables, @@sql_mode":          true,
		"SET @old=@@session_track_system_variables":                            true,
		"SET @@session.session_track_system_variables=@old":                    true,
		"SET SESSION session_track_schema=0, session_track_state_change=1":     true,
		"SET GLOBAL session_track_schema=0":                                    true,
		"SHOW VARIABLES":                                                       true,
		"show session variables ;":                                             true,
		"SHOW VARIABLES LIKE 'session_track%'":                                 true,
		"SHOW GLOBAL VARIABLES WHERE Variable_name RLIKE 'SESSION'":            true,
		"SELECT * FROM information_schema.session_variables":                   true,
		"SHOW VARIABLES LIKE 'sql_mode'":                                       false,
		"SHOW STATUS":                                                          false,
		"SELECT 1":                                                             false,
		"SET session_track_schema=0, sql_mode=''":                              false,
		"SET sql_mode='', session_track_schema=0":                              false,
		"SET session_track_schema=0, autocommit=0":                             false,
		"SET NAMES utf8mb4, session_track_schema=0":                            false,
		"SET session_track_schema=shop.f()":                                    false,
		"SELECT @@session_track_schema, shop.f()":                              false,
		"SELECT @@session_track_schema; SET sql_mode=''":                       false,
		"SET STATEMENT session_track_schema=0 FOR SET sql_mode=''":             false,
		"INSERT INTO t VALUES (@@session_track_schema)":                        false,
		"CALL p(@@session_track_schema)":                                       false,
		"SELECT @@session_track_schema FOR UPDATE":                             false,
		"SELECT '@@session_track_schema":                                       false,
		"BEGIN NOT ATOMIC SELECT @@session_track_schema; SET sql_mode=''; END": false,
		"PREPARE s FROM 'SELECT @@session_track_schema'":                       false,
		"/*!50000 SET session_track_schema=0, */ SELECT":                       false,
		"SELECT @@session_track_schema /*! ; SET sql_mode='' */":               false,
	} {
		for _, d := range []Dialect{mysql97, mariadb} {
			if got := ShowsTracking([]byte(text), d); got != want {
				t.Errorf("%v: %q: %v", d.Flavour, text, got)
			}
		}
	}
}

func TestReleaseOf(t *testing.T) {
	for text, want := range map[string]Release{
		"COMMIT":                ReleaseAsSet,
		"rollback ;":            ReleaseAsSet,
		"COMMIT WORK AND CHAIN": ReleaseAsSet,
		"COMMIT RELEASE":        ReleaseYes,
		"/* a */ rollback work and no chain release; ": ReleaseYes,
		"COMMIT AND NO CHAIN NO RELEASE":               ReleaseNone,
		"COMMIT -- x\n NO /* y */ RELEASE":             ReleaseNone,
		"ROLLBACK TO SAVEPOINT a":                      ReleaseNone,
		"ROLLBACK WORK TO release":                     ReleaseNone,
		"RELEASE SAVEPOINT a":                          ReleaseNone,
		"SELECT 'COMMIT RELEASE'":                      ReleaseNone,
		"":                                             ReleaseNone,
		"COMMIT /*":                                    ReleaseAsSet,
	} {
		if got := ReleaseOf([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
