package demo

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// ErrForeignDir is returned for a directory that holds something which
// [StartServer] has not put there. The remedy is another directory.
var ErrForeignDir = errors.New("directory is not empty and not one of ours")

const loopback = "127.0.0.1"

// serverState is what a server's directory remembers from start to start: its
// port stays, so that the address which the ring knows stays right.
type serverState struct {
	Name         string `json:"name"`
	Dir          string `json:"-"`
	Port         int    `json:"port"`
	Socket       string `json:"socket"`
	RootPassword string `json:"root_password"`
	Host         string `json:"host"`
	Namespace    string `json:"namespace,omitempty"`
	MySQL        bool   `json:"mysql,omitempty"`
}

// openDir returns the state of the server in cfg.Dir, a new one if the
// directory is empty or missing.
func openDir(cfg ServerConfig) (serverState, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return serverState{}, fmt.Errorf("directory of server %s: %w", cfg.Name, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return serverState{}, fmt.Errorf("directory of server %s: %w", cfg.Name, err)
	}
	st := serverState{Name: cfg.Name, Dir: dir, Host: cfg.Host, Namespace: cfg.Namespace, MySQL: cfg.Binaries.MySQL}
	if st.Host == "" {
		st.Host = loopback
	}
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			return serverState{}, fmt.Errorf("server %s in %s: %w", cfg.Name, dir, errors.Join(ErrForeignDir, err))
		}
		st.RootPassword = cfg.RootPassword
		if st.RootPassword == "" {
			st.RootPassword = rand.Text()
		}
	case err != nil:
		return serverState{}, fmt.Errorf("read state of server %s: %w", cfg.Name, err)
	default:
		if err := json.Unmarshal(text, &st); err != nil {
			return serverState{}, fmt.Errorf("read state of server %s: %w: %w", cfg.Name, ErrForeignDir, err)
		}
		if st.Name != cfg.Name {
			return serverState{}, fmt.Errorf("%s holds server %s, not %s: %w", dir, st.Name, cfg.Name, ErrForeignDir)
		}
		if st.MySQL != cfg.Binaries.MySQL {
			return serverState{}, fmt.Errorf("%s holds a server of the other flavour: %w", dir, ErrForeignDir)
		}
	}
	return st, st.chooseSocket()
}

// save writes the state; it holds a password.
func (st serverState) save() error {
	text, err := json.Marshal(st)
	if err != nil {
		return err
	}
	path := filepath.Join(st.Dir, stateFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("write state of server %s: %w", st.Name, err)
	}
	return os.Rename(path+".new", path)
}

// maxSocketPath is the longest path that a unix socket's address holds, less
// the byte that ends it (unix(7), sun_path).
const maxSocketPath = 107

// chooseSocket puts the socket into the directory if its path is short enough,
// else into a directory of its own under the system's.
func (st *serverState) chooseSocket() error {
	st.Socket = filepath.Join(st.Dir, "mysqld.sock")
	if len(st.Socket) <= maxSocketPath {
		return nil
	}
	short, err := os.MkdirTemp("/tmp", "sqlring-")
	if err != nil {
		return fmt.Errorf("socket of server %s: %w", st.Name, err)
	}
	st.Socket = filepath.Join(short, "s")
	return nil
}

// dropSocketDir removes what chooseSocket made outside of the directory.
func (st serverState) dropSocketDir() {
	if dir := filepath.Dir(st.Socket); dir != st.Dir {
		_ = os.RemoveAll(dir)
	}
}

// The ports of servers: below the ephemeral range of Linux (32768 and up). A
// port of that range may be taken by any outgoing connection while its server
// is down, and a client that polls it may even connect to itself.
const (
	firstPort = 20000
	portCount = 12000
)

// freePort returns a loopback port that nobody listens on at the moment.
func freePort() (int, error) {
	const attempts = 100
	for range attempts {
		n, err := rand.Int(rand.Reader, big.NewInt(portCount))
		if err != nil {
			return 0, fmt.Errorf("choose a port: %w", err)
		}
		port := firstPort + int(n.Int64())
		if portIsFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port found in %d..%d", firstPort, firstPort+portCount-1)
}

func portIsFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}
