package demo

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
)

// Ready is what a demo started, for scripts: the content of the ready file.
type Ready struct {
	Proxy    string        `json:"proxy"`  // host:port
	Socket   string        `json:"socket"` // path of the proxy's unix socket
	API      string        `json:"api"`    // http://host:port, read-only
	APISock  string        `json:"api_socket"`
	User     string        `json:"user"`
	Password string        `json:"password"`
	Database string        `json:"database"`
	Stride   int           `json:"stride"` // auto_increment_increment
	Members  []ReadyMember `json:"members"`
}

// ReadyMember is one server of a demo.
type ReadyMember struct {
	Name         string   `json:"name"`
	Addr         string   `json:"addr"`   // host:port
	Socket       string   `json:"socket"` // path of its unix socket
	PID          int      `json:"pid"`
	Offset       int      `json:"offset"` // auto_increment_offset: its slot
	RootUser     string   `json:"root_user"`
	RootPassword string   `json:"root_password"`
	Restart      []string `json:"restart"` // starts it again after it was killed
}

// writeReady writes the ready file in one step: who waits for it never reads
// half of it.
func (d *demo) writeReady(context.Context) error {
	if d.ReadyFile == "" {
		return nil
	}
	ready := Ready{
		Proxy: d.node.ProxyAddr(), Socket: d.socket, API: "http://" + d.node.APIAddr(), APISock: d.apiPath,
		User: appUser, Password: d.password, Database: appDatabase, Stride: stride,
	}
	for i, s := range d.servers {
		ready.Members = append(ready.Members, ReadyMember{
			Name: s.Name, Addr: s.Addr, Socket: s.Socket, PID: s.PID(), Offset: i + 1,
			RootUser: s.RootUser, RootPassword: s.RootPassword, Restart: s.Restart,
		})
	}
	text, err := json.MarshalIndent(ready, "", "  ")
	if err != nil {
		return err
	}
	temporary := filepath.Join(filepath.Dir(d.ReadyFile), "."+filepath.Base(d.ReadyFile)+".new")
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, d.ReadyFile)
}
