package main

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestNotifyTellsTheServiceManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	for _, socket := range []string{path, "@sqlring-notify-test"} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("NOTIFY_SOCKET", socket)
		if err := notify(t.Context(), "READY=1"); err != nil {
			t.Fatal(err)
		}
		_ = l.SetReadDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 64)
		n, err := l.Read(buf)
		if err != nil || string(buf[:n]) != "READY=1" {
			t.Errorf("at %s came %q, %v", socket, buf[:n], err)
		}
		_ = l.Close()
	}
	if err := notify(t.Context(), "READY=1"); err == nil {
		t.Error("a manager that is gone was told")
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify(t.Context(), "READY=1"); err != nil {
		t.Errorf("without a manager: %v", err)
	}
}
