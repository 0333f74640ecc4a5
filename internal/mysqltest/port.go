package mysqltest

import (
	"crypto/rand"
	"errors"
	"math/big"
	"net"
	"strconv"
	"sync"
	"testing"
)

// givenPorts are what freePort has returned: none is given twice, though nobody listens yet.
var givenPorts sync.Map

// freePort returns a loopback port below the ephemeral range, that nobody listens on at
// the moment and that this process was not given before.
func freePort() (int, error) {
	const first, count, attempts = 20000, 12000, 100
	for range attempts {
		n, err := rand.Int(rand.Reader, big.NewInt(count))
		if err != nil {
			return 0, err
		}
		port := first + int(n.Int64())
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = l.Close()
		if _, given := givenPorts.LoadOrStore(port, true); !given {
			return port, nil
		}
	}
	return 0, errors.New("no free port")
}

// FreeAddr returns a loopback address, host:port, that nobody listens on and that no test
// of this process gets again: one to name before its server is started, or to come back to.
// No outgoing connection takes it meanwhile.
func FreeAddr(t testing.TB) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
