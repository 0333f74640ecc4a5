// Command hostile does to the proxy's port what strangers and bad clients do, and
// measures what that costs everybody else:
//
//	make hostile                       # all attacks, 2 rounds each; under 3 minutes
//	go run ./hostile -only strangers   # some, by name
//
// It starts `sqlring demo` without a load: a ring of two MariaDB servers, a node, its
// proxy. Neighbours, clients with nothing to hide, run a statement 200 times a
// second and log in ten times a second all the while. Attacks run in a process of their
// own at the lowest priority, so that what they cost the machine is kept apart, as far
// as that goes, from what they cost the proxy.
//
// # What is measured
//
// Rounds with an attack and without take turns. Of the neighbours: the 99th percentile
// of a statement and of a login, and every failure. Of the node: that it lives, that its
// log has no panic, its memory before, its peak during the attack, and at the end. Of the
// attack: what it did, and how it was answered. An attack has bounds of its own
// ([attack]): memory, how long anybody may be kept waiting, what the member may notice.
// A bound that is broken fails the run. That the neighbours' percentile stays within
// ten percent is printed and fails nothing: on a machine with two cores the attackers
// alone take more than that.
//
// # What it does not
//
// It tries nothing that a fuzzer tries better (make fuzz), and it does not judge what
// SQL means.
//
// TestHostile runs every attack once, small.
package main
