package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sqlring/sqlring/internal/demo"
)

// Disk is a small file system of its own, in memory, that a server has its whole
// directory on. It ends with the test.
type Disk struct {
	dir string
}

// diskSize is what a server's data, logs and a test's load fit on.
const diskSize = "size=640m"

// StartOnSmallDisks is StartRing with each server on a disk of its own, all but its
// temporary files ([NeedRoot]).
func StartOnSmallDisks(t testing.TB, n int) ([]*Server, []*Disk) {
	t.Helper()
	bin := binariesOf(t, Flavour(t))
	NeedRoot(t, "mounting a file system")
	disks, temp := make([]*Disk, n), t.TempDir()
	servers := start(t, bin, n, func(cfg *demo.ServerConfig, i int) {
		disks[i] = MountDisk(t, cfg.Dir)
		cfg.Options = []string{"tmpdir=" + temp}
	})
	return servers, disks
}

// StartWithBinlogsApart is StartRing with the binlogs of each server, and nothing else of it, on
// a disk of their own ([NeedRoot]).
func StartWithBinlogsApart(t testing.TB, n int) ([]*Server, []*Disk) {
	t.Helper()
	return startApart(t, n, "log_bin")
}

// StartWithRelayLogsApart is StartRing with the relay logs of each server, and nothing else of
// it, on a disk of their own ([NeedRoot]).
func StartWithRelayLogsApart(t testing.TB, n int) ([]*Server, []*Disk) {
	t.Helper()
	return startApart(t, n, "relay_log")
}

// startApart starts servers of which the files that an option names have a disk of their own.
func startApart(t testing.TB, n int, option string) ([]*Server, []*Disk) {
	t.Helper()
	bin := binariesOf(t, Flavour(t))
	NeedRoot(t, "mounting a file system")
	disks, apart := make([]*Disk, n), t.TempDir()
	servers := start(t, bin, n, func(cfg *demo.ServerConfig, i int) {
		dir := filepath.Join(apart, fmt.Sprint(i))
		disks[i] = MountDisk(t, dir)
		cfg.Options = []string{option + "=" + filepath.Join(dir, "log")}
	})
	return servers, disks
}

// MountDisk makes a small disk at dir, which it makes too. It needs root.
func MountDisk(t testing.TB, dir string) *Disk {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Error(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", diskSize, "sqlring-test", dir).CombinedOutput(); err != nil {
		t.Errorf("mount: %v: %s", err, out)
		return &Disk{dir}
	}
	t.Cleanup(func() {
		Eventually(t, "its disk is left", func() error { return unmount(dir) })
	})
	return &Disk{dir}
}

func (d *Disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// Fill leaves no room on the disk.
func (d *Disk) Fill(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, size := range []int{1 << 20, 1 << 12, 1} {
		chunk := make([]byte, size)
		for err = nil; err == nil; _, err = f.Write(chunk) {
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
	}
}

// Free gives the room back, if it was taken.
func (d *Disk) Free(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(d.ballast()); err != nil {
		t.Fatal(err)
	}
}

func unmount(dir string) error {
	out, err := exec.CommandContext(context.Background(), "umount", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
