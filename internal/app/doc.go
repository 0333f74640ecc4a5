// Package app is one sqlring node as a value: it reads the node's file, makes
// the parts, plugs them into each other, starts them in order and stops them in
// the reverse order.
//
// It is the only package that knows all the others. It decides nothing, and
// nothing here may be needed to understand a part.
//
// Invariants: what was started is stopped, last in, first out, also when a later
// part could not be started; Stop is bounded in time.
//
// It is tested on real servers, together with the demo.
package app
