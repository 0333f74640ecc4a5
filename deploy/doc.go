// Package deploy holds what is installed beside the program: alerting rules and a
// configuration for Prometheus and Alertmanager, a dashboard for Grafana, what the
// packages contain, and a ring in containers. There is no Go in it but tests.
//
// Its tests hold these files to the program and to the tools that read them: every
// metric that a rule or a panel names is served, promtool agrees with the rules, a
// real Prometheus and a real Alertmanager see a member die and come back, a real
// browser draws the page, and dpkg installs and removes the package. Those that
// need a tool are skipped without it; `make rules`, `make alerts`, `make page` and
// `make package` fetch the tools and fail if they are missing.
package deploy
