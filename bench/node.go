package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// node is the sqlring node under test.
type node struct {
	argv  []string // command and arguments, with the configuration's path
	text  string   // of the configuration, without a number of links
	at    string   // path of the configuration
	links int      // connections to one member
	env   []string
	dir   string
	addr  string // of the proxy
	api   string // path of the API's socket
	proc  *process

	starter *starter
}

const nodeConfig = `node: n1
dir: @DIR@
proxy:
  member_links: @LINKS@
  limits:
    sessions: 20000
  listen: 127.0.0.1:@PORT@
  socket: none
api:
  listen: none
  socket: @DIR@/api.sock
raft:
  listen: 127.0.0.1:@RAFT@
  profile: lan
manager:
  user: @MANAGER@
  password_file: @DIR@/manager.password
log:
  level: warn
  format: text
`

// startNode writes the configuration as an operator would, and starts `sqlring
// serve`. The node reaches the members over TCP, as the other peers do.
func (w *world) startNode(context.Context) error {
	dir := filepath.Join(w.dir, "n1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	text := strings.NewReplacer("@DIR@", dir, "@PORT@", ports[0], "@RAFT@", ports[1], "@MANAGER@", managerUser).Replace(nodeConfig)
	if w.o.NodeYAML != "" {
		text += w.o.NodeYAML + "\n"
	}
	config := filepath.Join(dir, "sqlring.yaml")
	if err := os.WriteFile(filepath.Join(dir, "manager.password"), []byte(managerPassword+"\n"), 0o600); err != nil {
		return err
	}
	argv := []string{w.o.Binary, "serve", "--config", config}
	if len(w.o.NodeCommand) > 0 {
		argv = append(append([]string(nil), w.o.NodeCommand...), config)
	}
	w.node = &node{
		argv: argv, env: w.o.NodeEnv, text: text, at: config, dir: dir, starter: w.starter,
		addr: net.JoinHostPort(loopback, ports[0]), api: filepath.Join(dir, "api.sock"),
	}
	if err := w.node.configure(w.o.links("")); err != nil {
		return err
	}
	return w.node.start()
}

// configure writes the configuration, for the next start.
func (n *node) configure(links int) error {
	n.links = links
	return os.WriteFile(n.at, []byte(strings.ReplaceAll(n.text, "@LINKS@", strconv.Itoa(links))), 0o600)
}

func (n *node) start() (err error) {
	n.proc, err = n.starter.run(n.dir, "sqlring", n.argv, n.env)
	return err
}

// await returns once statements pass through the node.
func (n *node) await(ctx context.Context) error {
	return n.proc.await(ctx, func(ctx context.Context) error {
		_, err := user(n.addr).once(ctx, "DO 1")
		return err
	})
}

// makeRing orders the ring by the command line, once the node leads.
func (w *world) makeRing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	return w.node.proc.await(ctx, func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, w.o.Binary, "--api", "unix:"+w.node.api, "ring", "init", "bench",
			"m1="+w.owner.Addr, "m2="+w.second.Addr, "--durability", w.o.Durability, "--yes", "--why", "bench", "--timeout", "60s").CombinedOutput()
		if err != nil {
			return fmt.Errorf("ring init: %w: %s", err, lastLines(string(out)))
		}
		return nil
	})
}

// errMoved is returned when the owner is another server than the one that all peers
// lead to: on a machine that is too busy the ring may take a server for lost.
var errMoved = errors.New("the ring has moved away from the server that is measured")

// owns returns nil if the ring is as it was made.
func (w *world) owns(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, w.o.Binary, "--api", "unix:"+w.node.api, "status", "-o", "json").Output()
	// Exit code 2 says that the ring is degraded, and is no error here.
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("status of the node: %w", err)
	}
	return judgeStatus(out)
}

func judgeStatus(out []byte) error {
	var status struct {
		Units []struct{ Name, Owner string }
	}
	if err := json.Unmarshal(out, &status); err != nil {
		return fmt.Errorf("status of the node: %w", err)
	}
	for _, u := range status.Units {
		if u.Owner != "m1" {
			return fmt.Errorf("%w: %s is owned by %q", errMoved, u.Name, u.Owner)
		}
	}
	if len(status.Units) == 0 {
		return fmt.Errorf("%w: it has no units", errMoved)
	}
	return nil
}

const loopback = "127.0.0.1"

// freePorts returns loopback ports that nobody listens on, below the range of
// outgoing connections.
func freePorts(n int) ([]string, error) {
	var ports []string
	for port := 21000 + os.Getpid()%9000; port < 32000 && len(ports) < n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // all are held until all are found
		ports = append(ports, strconv.Itoa(port))
	}
	if len(ports) < n {
		return nil, errors.New("no free ports")
	}
	return ports, nil
}
