package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/sqlring/sqlring/internal/api"
)

// startNode writes the node's configuration file, as an operator would, and
// starts the node from it.
func (d *demo) startNode(ctx context.Context) error {
	dir := filepath.Join(d.home, "n1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sockets := dir
	if len(dir)+len("/sql.sock") > maxSocketPath {
		short, err := os.MkdirTemp("", "sqlring-")
		if err != nil {
			return err
		}
		d.onStop(func(context.Context) error { return os.RemoveAll(short) })
		sockets = short
	}
	d.socket, d.apiPath = filepath.Join(sockets, "sql.sock"), filepath.Join(sockets, "api.sock")
	config, err := d.writeConfig(dir)
	if err != nil {
		return err
	}
	node, err := d.StartNode(ctx, config)
	if err != nil {
		return err
	}
	d.node = node
	d.onStop(node.Stop)
	return nil
}

func (d *demo) writeConfig(dir string) (path string, err error) {
	raftPort, err := freePort()
	if err != nil {
		return "", err
	}
	password := filepath.Join(dir, "manager.password")
	if err := os.WriteFile(password, []byte(d.manager+"\n"), 0o600); err != nil {
		return "", err
	}
	text, err := yaml.Marshal(map[string]any{
		"node":    "n1",
		"dir":     dir,
		"proxy":   map[string]any{"listen": d.Listen, "socket": d.socket},
		"api":     map[string]any{"listen": d.API, "socket": d.apiPath},
		"raft":    map[string]any{"listen": fmt.Sprintf("127.0.0.1:%d", raftPort), "profile": "fast"},
		"manager": map[string]any{"user": managerUser, "password_file": password},
	})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "sqlring.yaml")
	return path, os.WriteFile(path, text, 0o600)
}

// client returns a client of the node's unix socket, where changes are taken.
func (d *demo) client() (*api.Client, error) { return api.NewClient("unix:" + d.apiPath) }

// makeRing orders the ring, and waits until it is open.
func (d *demo) makeRing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	client, err := d.client()
	if err != nil {
		return err
	}
	defer client.Close()
	request := api.InitRequest{Name: ringName, Stride: stride, Durability: "semisync", Degraded: "allow", Why: "sqlring demo"}
	for _, s := range d.servers {
		request.Members = append(request.Members, api.InitMember{ID: s.Name, Addr: s.Addr})
	}
	d.say("making a ring of them")
	if err := untilLeader(ctx, func() error { _, err := client.InitRing(ctx, request); return err }); err != nil {
		return err
	}
	for {
		status, err := client.Status(ctx)
		if err == nil && status.Operation == nil && len(status.Units) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the ring is not open after %s: %s", openTimeout, waitsFor(status))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// untilLeader repeats a change until the node that was just started leads.
func untilLeader(ctx context.Context, change func() error) error {
	for {
		err := change()
		if err == nil || !errors.Is(err, api.ErrNotLeader) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func waitsFor(status api.Status) string {
	if status.Step != nil {
		return status.Step.Why
	}
	return "the controller does not say why"
}
