// Package balancer decides where a statement goes and what it may do.
//
// Now it holds the immutable picture that a proxy routes from ([View]) with the
// one question asked of it ([View.OwnerOf]), and what little of SQL has to be
// read to keep the ring's promises: whether a statement would change the
// auto_increment layout of its session ([Scanner]), what kind it is and whether
// it leaves state behind that can not be carried to another connection
// ([Classify]), and whether it is a KILL ([ParseKill]).
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
// It is tested by tables, and the scanner by fuzzing: how a text is cut into
// pieces never changes the answer.
package balancer
