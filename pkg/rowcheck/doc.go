// Package rowcheck says which rows differ between members that go on being written.
//
// Members are read one after the other, without a lock, so two readings of a row that is
// well may differ: one member was read before a change, another one after it. [Judge]
// takes readings in rounds. Between two rounds every member has reached the positions that
// all members had when the round before ended; so what was on its way then has arrived. A
// row is equal once a round shows it equal. It differs when it was seen unequal, and the
// same on each member, in [Rounds] rounds in a row. Whatever does neither is unsettled:
// not known, and not fine.
//
// It also knows what a row is to a comparison: [Table], [Column] with its [Kind], [Key],
// and what a difference is in words. It reads and writes nothing; internal/mysqld makes
// and runs the statements, internal/verify calls them in order.
//
// Invariants:
//   - Rows of members that replicate without a fault are never judged to differ, however
//     far a member lags, unless the row takes turns between the same values in step with
//     the rounds.
//   - A row that differs on members at rest is found in Rounds rounds.
//   - Keys are bytes: two that a collation takes for equal are two rows.
//
// It is tested by tables, and by simulated members that lag at random (no row that is
// well is accused, each damaged one is found).
package rowcheck
