package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// notifyTimeout bounds a message to the service manager.
const notifyTimeout = time.Second

// notify tells the service manager how this process is, for example READY=1, by
// sd_notify(3). Where no manager asks for it ($NOTIFY_SOCKET is not set) it does
// nothing.
func notify(ctx context.Context, state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if strings.HasPrefix(path, "@") { // Linux's abstract namespace
		path = "\x00" + path[1:]
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unixgram", path)
	if err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	return nil
}
