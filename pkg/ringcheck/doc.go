// Package ringcheck judges servers and nodes before they hurt: facts in, findings out.
//
// A [Check] has a stable name, a severity, what it looks at and why that matters. [Run]
// holds the facts of the members ([Facts]) against all checks and returns a [Report]:
// what was found, where, and the line that mends it. [Catalog] is the list of them;
// docs/checks.md is made of it.
//
// It does not read anything: internal/mysqld reads the members, the node reads itself.
// It changes nothing, and what it says is advice; what keeps the ring's laws is
// pkg/topology.
//
// Invariants:
//   - What was not read is never fine: a check whose facts are missing of a member says
//     so ([Report.Unknown]).
//   - Every finding names a member or the node, and says what to type.
//   - The order of a report follows from its content alone: the worst first, then in the
//     order of the catalog, of the members, and of the objects.
//   - A check that finds more than maxFindings objects on a member says how many there
//     are, and lists the first.
//
// It is tested by a table with a case for every check that makes it fire, and one of
// facts on which none does; and by real servers that are made wrong (internal/mysqld).
package ringcheck
