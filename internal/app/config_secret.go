package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxPassword bounds a password, in bytes.
const maxPassword = 512

// ReadPassword returns the password in a file: its one line, without the newline
// at its end. It refuses a file that others than its owner may read, one that is
// empty, and one that holds more than a line.
func ReadPassword(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("read password: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("read password: %s is not a file", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("%s may be read or written by others (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
	case info.Size() > maxPassword:
		return "", fmt.Errorf("%s is longer than %d bytes: it holds the password and nothing else", path, maxPassword)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case password == "":
		return "", fmt.Errorf("%s is empty: write the password into it", path)
	case strings.ContainsAny(password, "\n\r\x00"):
		return "", fmt.Errorf("%s has more than one line: it holds the password and nothing else", path)
	}
	return password, nil
}

// passwordFaults looks at the password files that are named. That of replication
// may be missing: it is made at the first start.
func (c Config) passwordFaults() []fault {
	var l faultList
	if path := c.Manager.PasswordFile; filepath.IsAbs(path) {
		_, err := ReadPassword(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s is not there: write the manager's password into it, and chmod 600", path)
		}
		l.check("manager.password_file", err)
	}
	if path := c.Replication.PasswordFile; filepath.IsAbs(path) {
		if _, err := ReadPassword(path); !errors.Is(err, fs.ErrNotExist) {
			l.check("replication.password_file", err)
		}
	}
	return l.found
}
