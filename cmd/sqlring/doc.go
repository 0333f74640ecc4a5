// Command sqlring runs a node, or talks to one.
//
// It is thin: `serve` and `demo` start what package app and package demo make;
// every other verb calls the API of a node and prints the answer. There is one
// file for each noun, and for each long verb of one. Data goes to standard output, talk to standard error.
//
// Every change goes the same way: plan, checks, confirmation (--yes), progress,
// what came of it, what to type next; --dry-run stops after the plan. The checks
// are the node's: this command decides nothing about a ring.
//
// Exit codes: 0 it was done, 1 an error, 2 the ring is not well
// (status; master rejoin whose member went into quarantine), 3 a safety check
// refused it: the message names the check and the flag that overrides it.
//
// It is tested by the scripts in testdata/script, against a node's API in the
// same process.
package main
