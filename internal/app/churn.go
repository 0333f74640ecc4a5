package app

import "os"

// EnvChurn is the variable in a node's environment by which tests have its proxy give no
// session its own connection back ([proxy.Config].Churn). It is none of the file's keys:
// nobody who runs a ring has a use for it.
const EnvChurn = "SQLRING_TEST_CHURN"

// churn reports whether connections are to churn, and says so in the log.
func (a *App) churn() bool {
	if os.Getenv(EnvChurn) != "1" {
		return false
	}
	a.logger.Warn("connections to members churn, as only tests want it", "because", EnvChurn)
	return true
}
