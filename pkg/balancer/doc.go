// Package balancer decides where a statement goes and what it may do.
//
// Now it holds the immutable picture that a proxy routes from ([View]) with the
// one question asked of it ([View.OwnerOf]), and what little of SQL has to be
// read to keep the ring's promises: whether a statement would change the
// auto_increment layout of its session ([Scanner]), what kind it is and whether
// it leaves state behind that can not be carried to another connection
// ([Classify]), and whether it is a KILL ([ParseKill]).
//
// Where a read goes is asked of another picture ([Reads.Choose]): which members are
// fresh, by their lag's level, and known to have what the reader has written, by
// their position. [Reads.Explain] says of each member why it qualifies or not. That
// picture is replaced at every probe, the View only when a route changes.
//
// Statements are read in three steps. A [Lexer] cuts the text into tokens as the
// server does, by flavour, version, sql_mode and charset. A [Digester] reduces the
// tokens to MySQL's digest, which is equal for statements that differ in values only.
// [MakePlan] finds out, from the digest alone, what such a statement does: its kind
// ([Verb]), its tables, the keys that limit it, its effects on session and server
// ([Effect]). Plans are kept in a [PlanCache], or in [PlanSet]s that goroutines share;
// a statement whose plan is there costs about 0.13 µs and no memory. A plan is a
// function of what it is looked up by, so it can never be another statement's. What a
// comment asks for ([Hint]) is no part of it.
//
// It reads no clock, opens no socket and takes no lock. It is no security
// boundary: SQL can be written so that no scan finds what it does (a stored
// routine, a string that is executed). Where it matters the server's own word
// stands behind it: the proxy has the server report every change of a session
// variable, and ends a session whose layout changed.
//
// What it does not know is the more dangerous of the possibilities: a statement
// of an unknown kind may have any effect.
//
// It is tested by tables and by fuzzing: how a text is cut into pieces never changes
// the scanner's answer, white space and comments never change a digest. The digest
// is held against a real server's STATEMENT_DIGEST_TEXT(), and in internal/oracle, a
// module of its own, all of it against the parsers of vitess and TiDB.
package balancer
