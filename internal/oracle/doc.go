// Package oracle holds pkg/balancer's reading of SQL against other readers of it: the
// digest against MySQL's own, the classification against the parsers of vitess and of
// TiDB. The statements are those of mysqltest files, of Debian's package mariadb-test
// (scripts/get-corpus.sh) or any others.
//
// It is a module of its own, so that the parsers are no dependencies of sqlring. Run
// it with `make oracle`. Nothing imports it.
//
// What holds: a statement that a parser calls a write is never a read for the
// balancer; a table that a parser finds is found, or the balancer says that its list
// is not complete; a digest is the server's. Every exception is a line of
// testdata/explained.txt, with its reason; a line that no statement needs fails too.
package oracle
