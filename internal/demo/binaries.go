package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNoServer is returned if no MariaDB server is installed. The remedy is
// [EnsureServer], or the command that its message names.
var ErrNoServer = errors.New("no MariaDB server is installed")

// Packages are the distribution's packages that [EnsureServer] installs: the
// programs alone, without the package that starts a service.
const Packages = "mariadb-server-core mariadb-client-core"

const (
	aptTimeout     = 10 * time.Minute
	installTimeout = time.Minute
)

// Binaries are the programs of one server installation, as absolute paths.
type Binaries struct {
	Server  string // mariadbd, or mysqld
	Install string // mariadb-install-db; empty for MySQL, whose server does it itself
	MySQL   bool
}

// FindBinaries looks for mariadbd and mariadb-install-db on PATH and in the
// directories that distributions use. It returns ErrNoServer if one is missing.
func FindBinaries() (Binaries, error) {
	server, err := findProgram("mariadbd")
	if err != nil {
		return Binaries{}, err
	}
	return BinariesOf(server)
}

// BinariesOf returns the installation that the given mariadbd belongs to: its
// mariadb-install-db is looked for beside it first, then as by [FindBinaries].
func BinariesOf(server string) (Binaries, error) {
	beside := filepath.Join(filepath.Dir(server), "mariadb-install-db")
	if isProgram(beside) {
		return Binaries{Server: server, Install: beside}, nil
	}
	install, err := findProgram("mariadb-install-db")
	if err != nil {
		return Binaries{}, err
	}
	return Binaries{Server: server, Install: install}, nil
}

func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	// /usr/sbin is not on the PATH of ordinary users on Debian.
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec"} {
		if path := filepath.Join(dir, name); isProgram(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s is neither on PATH nor in /usr/sbin", ErrNoServer, name)
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// EnsureServer returns nil at once if a MariaDB server is installed. Otherwise
// it installs [Packages] by apt-get, tells log so, and asks nothing. It needs
// root for that; another user gets ErrNoServer with the command to type.
func EnsureServer(ctx context.Context, log io.Writer) error {
	_, err := FindBinaries()
	if err == nil {
		return nil
	}
	command := "apt-get install --no-install-recommends " + Packages
	apt, aptErr := exec.LookPath("apt-get")
	if aptErr != nil {
		return fmt.Errorf("%w, and this system has no apt-get: install MariaDB 10.5 or later, without its service", err)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: type: sudo %s", err, command)
	}
	fmt.Fprintf(log, "No MariaDB server is installed: installing %s (no service is started).\n", Packages)
	ctx, cancel := context.WithTimeout(ctx, aptTimeout)
	defer cancel()
	install := append([]string{"install", "-qq", "-y", "--no-install-recommends"}, strings.Fields(Packages)...)
	for _, args := range [][]string{{"update", "-qq"}, install} {
		if err := runApt(ctx, apt, args, log); err != nil {
			return fmt.Errorf("%w; by hand: %s", err, command)
		}
	}
	_, err = FindBinaries()
	return err
}

func runApt(ctx context.Context, apt string, args []string, log io.Writer) error {
	cmd := exec.CommandContext(ctx, apt, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s: %w", args[0], err)
	}
	return nil
}

// InstallDataDir makes a new data directory at dir, which must not exist: the
// server's own tables, and root without a password. It is what a server is
// started on, or copied from (ServerConfig.Template). It appears whole or not
// at all, so several processes may make the same one.
func InstallDataDir(ctx context.Context, bin Binaries, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	draft, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".new-")
	if err != nil {
		return fmt.Errorf("install data directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(draft) }()
	temp := draft + ".tmp" // shared with no other server: see writeOptions
	if err := os.Mkdir(temp, 0o700); err != nil {
		return fmt.Errorf("install data directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	program, args := bin.Install, []string{
		"--no-defaults", "--datadir=" + draft, "--tmpdir=" + temp, "--auth-root-authentication-method=normal",
		"--skip-test-db", "--innodb-log-file-size=" + redoLogSize,
	}
	if bin.MySQL {
		program, args = bin.Server, mysqlInstall(draft, temp)
	}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root")
	}
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, lastLines(string(out), 5))
	}
	if bin.MySQL {
		_ = os.Remove(filepath.Join(draft, "auto.cnf")) // the server's uuid: each copy makes its own
	}
	// Whoever renames first wins; the loser's copy is as good, and goes away.
	if err := os.Rename(draft, dir); err != nil && !isDir(filepath.Join(dir, "mysql")) {
		return fmt.Errorf("install data directory: %w", err)
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// lastLines returns the last n lines of text that are not empty.
func lastLines(text string, n int) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
