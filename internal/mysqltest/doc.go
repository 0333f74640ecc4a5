// Package mysqltest starts real database servers for tests.
//
// [Start] gives a test one server, [StartRing] several, each with its own
// directory, port and accounts, closed and following nobody. They are made from
// a template, a data directory that is installed once per server binary and
// kept in the system's temporary directory, and they end with the test.
//
// [StartRingWithClocks] starts servers whose clocks are wrong, and [SlowLink] puts one
// behind a link that takes time.
//
// A server that ends by itself fails its test, which shows the end of its log; a test that
// has failed for any reason shows the last lines of each one's. Who ends a server on purpose
// does so by [Server.Kill].
//
// [StartMySQL] gives it a MySQL, alone and open: the ring operations are
// MariaDB's so far.
//
// Which servers: those of the environment variable SQLRING_TEST_SERVERS, a
// comma-separated list of flavour=path ("mariadb=/usr/sbin/mariadbd"), and by
// default what is installed, and the MySQL that scripts/get-mysql97.sh has put
// into SQLRING_SERVERS_DIR (~/.cache/sqlring/servers). It is read here and nowhere else. If there is
// none, a test is skipped with the word SKIPPED-NO-SERVER; with
// SQLRING_REQUIRE_SERVERS=1 it fails instead, which is what CI wants.
//
// [Main] is for a package's TestMain: it fails the run if a child process of
// the test binary is left when the tests have ended.
//
// It is a package for tests; it does not know the ring, and it sets up nothing
// that the code under test should set up.
package mysqltest
