package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// secrets returns the passwords of the two accounts on the members. That of
// replication is made at the first start, into a file that only we may read.
func (c Config) secrets() (manager, replication string, err error) {
	if manager, err = ReadPassword(c.Manager.PasswordFile); err != nil {
		return "", "", fmt.Errorf("manager: %w", err)
	}
	replication, err = ReadPassword(c.Replication.PasswordFile)
	if errors.Is(err, fs.ErrNotExist) {
		replication, err = makePassword(c.Replication.PasswordFile)
	}
	if err != nil {
		return "", "", fmt.Errorf("replication: %w", err)
	}
	return manager, replication, nil
}

// makePassword writes a new password, never over an old one. It is short enough
// for CHANGE MASTER, which takes 32 characters.
func makePassword(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("make password: %w", err)
	}
	password := rand.Text()
	_, err = f.WriteString(password + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("make password: %w", err)
	}
	return password, nil
}
