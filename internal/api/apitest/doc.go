// Package apitest is a node for tests of the API and of the CLI: a state that is
// changed by topology.Apply alone, and observations that are what a healthy ring
// would show, to be spoiled by the test.
//
// It opens no socket and starts no goroutine. With [Node.Walk] set an operation
// moves on by one step each time that the state is read, so that a client sees
// progress without a controller.
//
// It is tested by the tests that use it.
package apitest
