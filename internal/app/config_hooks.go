package app

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sqlring/sqlring/internal/hook"
	"github.com/sqlring/sqlring/pkg/topology"
)

// HookConfig is one hook: who is told what happens, while this node leads. See
// docs/hooks.md. Every node's file declares the same ones.
type HookConfig struct {
	Name string `yaml:"name"` // topology.ValidName; required, and unique
	Type string `yaml:"type"` // exec, webhook, alertmanager, slack or pagerduty; required

	Severity   string   `yaml:"severity,omitempty"`    // info, warning (default) or critical: what is less urgent is not told
	Match      []string `yaml:"match,omitempty"`       // as in `hook silence`: any of them; default: all
	Repeat     string   `yaml:"repeat,omitempty"`      // how often what stands is told again, as 4h (default); 0s: once. Alertmanager: 1m
	OnlyFiring bool     `yaml:"only_firing,omitempty"` // nothing is told of what is over
	Timeout    string   `yaml:"timeout,omitempty"`     // of one attempt, as 10s (default); at most 5m
	GiveUp     string   `yaml:"give_up,omitempty"`     // when an event is given up, as 15m (default); at most 24h

	// Command, of exec, is a program by its absolute path, and its arguments. There is no
	// shell.
	Command []string `yaml:"command,omitempty"`

	// Of all others. The URL may stand in a file of mode 0600, or in the environment:
	// Slack's is a secret.
	URL     string `yaml:"url,omitempty"`
	URLFile string `yaml:"url_file,omitempty"`
	URLEnv  string `yaml:"url_env,omitempty"`
	CA      string `yaml:"ca,omitempty"` // PEM file of who judges the receiver's certificate; default: the system
	// The key of a webhook's signature, or PagerDuty's routing key.
	SecretFile string `yaml:"secret_file,omitempty"`
	SecretEnv  string `yaml:"secret_env,omitempty"`
}

// Limits of what a hook can be set to.
const (
	maxHookTimeout = 5 * time.Minute
	maxHookGiveUp  = 24 * time.Hour
	minHookRepeat  = 10 * time.Second
)

// hooks returns what the dispatcher is told of the hooks, their secrets included.
func (c Config) hooks() ([]hook.Spec, error) {
	specs := make([]hook.Spec, 0, len(c.Hooks))
	for _, h := range c.Hooks {
		spec, err := h.spec()
		if err != nil {
			return nil, fmt.Errorf("hook %s: %w", h.Name, err)
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func (h HookConfig) spec() (hook.Spec, error) {
	s := hook.Spec{Type: h.Type, Match: h.Match, Command: h.Command, URL: h.URL, CA: h.CA, Timeout: span(h.Timeout, 0), GiveUp: span(h.GiveUp, 0)}
	s.Route = topology.HookRoute{Hook: h.Name, Least: topology.UrgencyWarning, Unresolved: h.OnlyFiring, Repeat: span(h.Repeat, 4*time.Hour)}
	if h.Type == hook.TypeAlertmanager {
		s.Route.Repeat = span(h.Repeat, time.Minute)
	}
	if h.Severity != "" {
		if err := s.Route.Least.UnmarshalText([]byte(h.Severity)); err != nil {
			return s, err
		}
	}
	for _, text := range h.Match {
		m, err := topology.ParseMatch(text)
		if err != nil {
			return s, err
		}
		s.Route.Match = append(s.Route.Match, m)
	}
	var err error
	if h.URLFile+h.URLEnv != "" {
		if s.URL, err = secretOf(h.URLFile, h.URLEnv); err != nil {
			return s, err
		}
	}
	if h.SecretFile+h.SecretEnv != "" {
		s.Secret, err = secretOf(h.SecretFile, h.SecretEnv)
	}
	return s, err
}

// span reads a duration; what can not be read is a fault before.
func span(text string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(text); err == nil {
		return d
	}
	return otherwise
}

// secretOf returns what stands in a file, or else in the environment.
func secretOf(file, env string) (string, error) {
	if file != "" {
		return ReadPassword(file)
	}
	if text := os.Getenv(env); text != "" {
		return text, nil
	}
	return "", fmt.Errorf("%s is not set in the environment of the node", env)
}

func (c Config) hookFaults(l *faultList) {
	if len(c.Hooks) > topology.MaxHooks {
		l.add("hooks", "%d hooks, at most %d are allowed", len(c.Hooks), topology.MaxHooks)
	}
	names := map[string]int{}
	for i, h := range c.Hooks {
		path := fmt.Sprintf("hooks[%d]", i)
		if first, twice := names[h.Name]; twice {
			l.add(path+".name", "%s is the name of hooks[%d] already: each hook has its own", h.Name, first)
		} else {
			names[h.Name] = i
			l.check(path+".name", topology.ValidName(h.Name))
		}
		if h.Severity != "" {
			oneOf(l, path+".severity", h.Severity, topology.UrgencyNames()...)
		}
		for n, text := range h.Match {
			if _, err := topology.ParseMatch(text); err != nil {
				l.check(fmt.Sprintf("%s.match[%d]", path, n), err)
			}
		}
		spanFault(l, path+".repeat", h.Repeat, limits{minHookRepeat, 0, true})
		spanFault(l, path+".timeout", h.Timeout, limits{time.Second, maxHookTimeout, false})
		spanFault(l, path+".give_up", h.GiveUp, limits{time.Second, maxHookGiveUp, false})
		h.typeFaults(l, path)
	}
}

type limits struct {
	least, most time.Duration // most 0: none
	zero        bool          // 0s is allowed too
}

func spanFault(l *faultList, path, text string, in limits) {
	if text == "" {
		return
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		l.add(path, "%q is not a time: write it as 30s, 10m or 4h", text)
	case d == 0 && in.zero:
	case d < in.least || in.most > 0 && d > in.most:
		l.add(path, "%s is less than %s, or too long", text, in.least)
	}
}

// typeFaults looks at what a hook of its type needs, and may not have.
func (h HookConfig) typeFaults(l *faultList, path string) {
	oneOf(l, path+".type", h.Type, hook.TypeExec, hook.TypeWebhook, hook.TypeAlertmanager, hook.TypeSlack, hook.TypePagerDuty)
	for _, e := range []struct {
		key   string
		given bool
		types []string
	}{
		{"command", len(h.Command) > 0, []string{hook.TypeExec}},
		{"url", h.URL != "", []string{hook.TypeWebhook, hook.TypeAlertmanager, hook.TypeSlack, hook.TypePagerDuty}},
		{"url_file", h.URLFile != "", []string{hook.TypeWebhook, hook.TypeAlertmanager, hook.TypeSlack, hook.TypePagerDuty}},
		{"url_env", h.URLEnv != "", []string{hook.TypeWebhook, hook.TypeAlertmanager, hook.TypeSlack, hook.TypePagerDuty}},
		{"ca", h.CA != "", []string{hook.TypeWebhook, hook.TypeAlertmanager, hook.TypeSlack, hook.TypePagerDuty}},
		{"secret_file", h.SecretFile != "", []string{hook.TypeWebhook, hook.TypePagerDuty}},
		{"secret_env", h.SecretEnv != "", []string{hook.TypeWebhook, hook.TypePagerDuty}},
	} {
		if e.given && !slices.Contains(e.types, h.Type) && h.Type != "" {
			l.add(path+"."+e.key, "a hook of type %s has none: take it out", h.Type)
		}
	}
	switch {
	case h.Type == hook.TypeExec && len(h.Command) == 0:
		l.missing(path+".command", "name the program and its arguments, as [/usr/local/bin/page, --now]")
	case h.Type == hook.TypeExec && !filepath.IsAbs(h.Command[0]):
		l.add(path+".command", "%q is not an absolute path: there is no PATH to look in, and no shell", h.Command[0])
	case h.Type == hook.TypePagerDuty && h.SecretFile+h.SecretEnv == "":
		l.missing(path+".secret_file", "name a file of mode 0600 that holds the routing key of the integration")
	case h.Type != hook.TypeExec && h.Type != hook.TypePagerDuty && h.URL+h.URLFile+h.URLEnv == "":
		l.missing(path+".url", "say where it is posted to, or name a url_file")
	}
	if h.URL != "" {
		h.urlFault(l, path+".url", h.URL)
	}
	pathFaults(l, []pathOf{{path + ".url_file", h.URLFile}, {path + ".secret_file", h.SecretFile}, {path + ".ca", h.CA}})
}

// urlFault looks at a URL. It does not show it: it may be a secret.
func (h HookConfig) urlFault(l *faultList, path, text string) {
	u, err := url.Parse(text)
	secret := h.Type == hook.TypeSlack || h.Type == hook.TypePagerDuty
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		l.add(path, "it is not a URL of http or https")
	case u.Scheme == "http" && secret && !isLoopback(u.Host) && !isLoopback(u.Host+":80"):
		l.add(path, "it, or what is sent to it, is a secret: use https")
	}
}

// hookFileFaults looks at the files and at the environment that hooks name.
func (c Config) hookFileFaults() []fault {
	var l faultList
	for i, h := range c.Hooks {
		path := fmt.Sprintf("hooks[%d]", i)
		if h.URLFile+h.URLEnv != "" {
			text, err := secretOf(h.URLFile, h.URLEnv)
			l.check(path+urlKey(h.URLFile, ".url"), err)
			if err == nil {
				h.urlFault(&l, path+urlKey(h.URLFile, ".url"), text)
			}
		}
		if h.SecretFile+h.SecretEnv != "" {
			_, err := secretOf(h.SecretFile, h.SecretEnv)
			l.check(path+urlKey(h.SecretFile, ".secret"), err)
		}
		if h.CA != "" && filepath.IsAbs(h.CA) {
			_, err := os.Stat(h.CA)
			l.check(path+".ca", err)
		}
		if h.Type == hook.TypeExec && len(h.Command) > 0 && filepath.IsAbs(h.Command[0]) {
			l.check(path+".command", programFault(h.Command[0]))
		}
	}
	return l.found
}

// urlKey returns the key that a secret is given by.
func urlKey(file, key string) string {
	if file != "" {
		return key + "_file"
	}
	return key + "_env"
}

// programFault refuses a program that is not there, or that others may change.
func programFault(program string) error {
	info, err := os.Stat(program)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not a program: chmod 755", program)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s may be written by others (mode %04o): chmod 755", program, info.Mode().Perm())
	}
	return nil
}
