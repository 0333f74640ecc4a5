package proxy

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// reloadInterval is how long files may be newer than a handshake's look at them.
const reloadInterval = time.Second

// tlsFiles is the present configuration of TLS on one side: it follows the files
// that it was made of without a restart. It is safe for concurrent use.
type tlsFiles struct {
	side  string   // for the log: clients, members
	paths []string // empty ones count for nothing
	load  func() (*tls.Config, error)
	log   *slog.Logger

	mu     sync.Mutex
	stamp  string // of the files, when they were loaded or found to be bad
	looked time.Time
	config *tls.Config
}

// followTLS loads a configuration, and follows the files that load reads.
func followTLS(side string, paths []string, load func() (*tls.Config, error), log *slog.Logger) (*tlsFiles, error) {
	c := &tlsFiles{side: side, paths: paths, load: load, log: log, looked: time.Now()}
	c.stamp = c.stampOfFiles()
	var err error
	c.config, err = load()
	return c, err
}

// stampOfFiles tells whether a file has changed: size and time of each. A key may be
// renamed into place later than its certificate: both are looked at.
func (c *tlsFiles) stampOfFiles() string {
	var b strings.Builder
	for _, path := range c.paths {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(&b, "%v\n", err)
			continue
		}
		fmt.Fprintf(&b, "%d %d\n", info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}

// current returns the configuration for a handshake that begins now. Files that can
// not be used are logged, once for each change, and change nothing.
func (c *tlsFiles) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= reloadInterval {
		c.looked = now
		c.reloadLocked()
	}
	return c.config
}

func (c *tlsFiles) reloadLocked() {
	stamp := c.stampOfFiles()
	if stamp == c.stamp {
		return
	}
	c.stamp = stamp
	config, err := c.load()
	if err != nil {
		c.log.Error("new TLS files can not be used, the old ones stay in use", "side", c.side, "error", err)
		return
	}
	c.config = config
	c.log.Info("TLS files were loaded anew", "side", c.side)
}
