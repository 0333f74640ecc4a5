// Package authority is the ring's own certificate authority: it makes it, signs
// with it, and turns its files into TLS configurations that let in whom it has
// signed, and nobody else.
//
// There are two kinds of certificates. A node's names the node in its common name
// and says "node" in its organizational unit: with it, nodes talk raft to each
// other. A person's or a program's says viewer, operator or admin there instead:
// with it, the API is called over the network. One never stands for the other.
//
// Hosts are not looked at between nodes: a node is who its certificate says, from
// wherever it dials. Clients of the API do look at them.
//
// Keys are ECDSA P-256; TLS is 1.3. Files are PEM, keys have mode 0600 and are never
// written over. A certificate that has run out is refused by whoever meets it; who
// serves reads its files anew for each connection, so that new ones are taken up
// without a restart.
//
// The package keeps no state and starts no goroutine. It is tested with handshakes
// between right and wrong certificates.
package authority
