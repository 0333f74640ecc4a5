package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/authority"
)

// accessFlags say who calls a node over the network.
type accessFlags struct{ ca, cert, key, token string }

func (f *accessFlags) add(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&f.ca, "ca", "", "ca.pem of the ring's authority, for https (default: the system's)")
	flags.StringVar(&f.cert, "cert", "", "certificate to show, for https")
	flags.StringVar(&f.key, "key", "", "its key")
	flags.StringVar(&f.token, "token-file", "", "file of mode 0600 with a token, for https")
}

func (f *accessFlags) load() (access api.Access, err error) {
	if f.token != "" {
		if access.Token, err = app.ReadPassword(f.token); err != nil {
			return access, fmt.Errorf("--token-file: %w", err)
		}
	}
	if (f.cert == "") != (f.key == "") {
		return access, errUsage{"sqlring", "--cert and --key belong together: the certificate, and its key"}
	}
	if f.ca == "" && f.cert == "" {
		return access, nil
	}
	access.TLS, err = authority.Files{CA: f.ca, Cert: f.cert, Key: f.key}.ClientTLS()
	return access, err
}
