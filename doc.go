// Package sqlring holds only the tests of the project's own structure: which
// package may import which, how long files and functions may be. The program is
// in cmd/sqlring; docs/architecture.md is the place to start reading.
package sqlring
