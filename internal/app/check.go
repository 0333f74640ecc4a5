package app

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// checker reads for the API what checks look at.
type checker struct{ app *App }

var _ api.Checker = checker{}

// Setup implements api.Checker.
func (c checker) Setup() api.CheckSetup {
	cfg := c.app.cfg
	s := api.CheckSetup{
		Manager: cfg.Manager.User, Replication: cfg.Replication.User,
		MemberLinks: cfg.Proxy.MemberLinks, MaxSessions: cfg.Proxy.Limits.Sessions, LinkIdle: cfg.linkIdle(),
	}
	if s.MemberLinks == 0 {
		s.MemberLinks = 100
	}
	if s.MaxSessions == 0 {
		s.MaxSessions = 4096
	}
	if s.LinkIdle == 0 {
		s.LinkIdle = 5 * time.Minute
	}
	return s
}

// Facts implements api.Checker. The disk of a server on this host is looked at here.
func (c checker) Facts(ctx context.Context, m topology.Member, parts []ringcheck.Part) ringcheck.Member {
	if c.app.fleet == nil {
		found := ringcheck.Member{Addr: m.Addr, Unread: map[ringcheck.Part]string{}}
		for _, part := range parts {
			found.Unread[part] = "this node is a witness: it reaches no member"
		}
		return found
	}
	if slices.Contains(parts, ringcheck.PartDisk) && !slices.Contains(parts, ringcheck.PartSettings) {
		parts = append([]ringcheck.Part{ringcheck.PartSettings}, parts...) // they say where the data lies
	}
	found := c.app.fleet.Facts(ctx, m, parts)
	if _, missing := found.Unread[ringcheck.PartDisk]; found.Disk == nil && !missing && c.here(m) {
		found.Disk = diskOf(found.Variables["datadir"].Value)
	}
	return found
}

// here reports whether a server is on this host, by its address or by the node's file.
func (c checker) here(m topology.Member) bool {
	for _, local := range c.app.cfg.Members {
		if local.Name == m.ID {
			return true
		}
	}
	host, _, err := net.SplitHostPort(m.Addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// diskOf returns how full the file system of a path is; nil: it can not be told.
func diskOf(path string) *ringcheck.Disk {
	var st syscall.Statfs_t
	if path == "" || syscall.Statfs(path, &st) != nil {
		return nil
	}
	size := uint64(st.Bsize)
	return &ringcheck.Disk{Path: path, Free: st.Bavail * size, Total: st.Blocks * size}
}

// Node implements api.Checker.
func (c checker) Node(ctx context.Context) ringcheck.Node {
	cfg := c.app.cfg
	n := ringcheck.Node{Disk: diskOf(cfg.Dir)}
	if err := cfg.Validate(); err != nil {
		n.ConfigFaults = strings.Split(err.Error(), "\n")
	}
	raft := cluster(c).Raft()
	n.RaftError, n.LogBytes = raft.Error, raft.LogBytes
	n.Peers = c.reach(ctx, raft)
	for _, file := range c.certificates() {
		n.Certificates = append(n.Certificates, readCertificate(file))
	}
	var limit syscall.Rlimit
	if open, err := os.ReadDir("/proc/self/fd"); err == nil && syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		n.OpenFiles, n.OpenFilesLimit = uint64(len(open)), limit.Cur
	}
	return n
}

// reach tries the port of every other node.
func (c checker) reach(ctx context.Context, raft api.Raft) []ringcheck.Peer {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	peers := make([]ringcheck.Peer, len(raft.Peers))
	var wg sync.WaitGroup
	for i, p := range raft.Peers {
		peers[i] = ringcheck.Peer{Name: p.Name, Part: p.Part, Self: p.Name == raft.Node}
		if peers[i].Self {
			continue
		}
		wg.Go(func() {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.Addr)
			if err == nil {
				err = conn.Close()
			}
			switch {
			case err != nil:
				peers[i].Error = fmt.Sprintf("its port %s is not reached: %v", p.Addr, err)
			case p.HeardMS != nil && *p.HeardMS > 5000:
				peers[i].Error = fmt.Sprintf("it has not been heard of for %d s", *p.HeardMS/1000)
			}
		})
	}
	wg.Wait()
	return peers
}

// certificates lists the files of certificates that the node uses.
func (c checker) certificates() []string {
	cfg := c.app.cfg
	var files []string
	add := func(used bool, names ...string) {
		for _, name := range names {
			if used && name != "" {
				files = append(files, name)
			}
		}
	}
	add(cfg.Proxy.TLS.Mode != "disabled" && cfg.Proxy.Listen != "", cfg.Proxy.TLS.Cert, cfg.Proxy.TLS.ClientCA)
	add(cfg.MemberTLS.Mode != "disabled", cfg.MemberTLS.Cert, cfg.MemberTLS.CA)
	add(true, cfg.Raft.TLS.Cert, cfg.Raft.TLS.CA, cfg.API.TLS.Cert, cfg.API.TLS.CA)
	seen := map[string]bool{}
	var unique []string
	for _, f := range files {
		if !seen[f] {
			seen[f] = true
			unique = append(unique, f)
		}
	}
	return unique
}

// readCertificate returns until when a file's certificates count: the first that ends.
func readCertificate(file string) ringcheck.Certificate {
	found := ringcheck.Certificate{File: file}
	data, err := os.ReadFile(file)
	for err == nil {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil && (found.Until.IsZero() || cert.NotAfter.Before(found.Until)) {
			found.Until = cert.NotAfter
		}
	}
	if err == nil && found.Until.IsZero() {
		err = errors.New("there is no certificate in it")
	}
	if err != nil {
		found.Error = err.Error()
	}
	return found
}
