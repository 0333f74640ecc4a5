// Command conformance compares what clients get from the proxy with what they get
// from a server directly. It runs other people's test suites, drivers and
// applications against both, and only differences count:
//
//	make conformance                     # all suites
//	make conformance SUITE=mysqltest     # one of them
//
// It starts a ring of two MariaDB servers with one sqlring node in front, and a
// third server of the same version with the same configuration for comparison, so
// that data never mixes. Each of the two endpoints has a TCP port, a unix socket
// and a directory of the same length, so that even the width of a column does not
// depend on where an answer came from.
//
// What counts as the same: the outputs are equal byte for byte, once the two
// endpoints' own port, socket and directory are replaced by names. A difference
// is looked at twice: lines that also differ between two direct runs are not the
// proxy's. What differs for a good reason stands in known-differences.txt with
// that reason; any other difference fails the run, and so does an entry there that
// explains nothing any longer.
//
// A suite's results are kept in a journal, so that a run that was interrupted goes
// on where it was; another sqlring binary starts anew. The summary is written as
// text and as JSON.
//
// It installs nothing: scripts/install-conformance.sh does. It does not judge
// whether the server's answers are right, and it tests no failover.
package main
