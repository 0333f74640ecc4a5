package hook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// The types of hook.
const (
	TypeExec         = "exec"
	TypeWebhook      = "webhook"
	TypeAlertmanager = "alertmanager"
	TypeSlack        = "slack"
	TypePagerDuty    = "pagerduty"
)

// Spec is one hook as the node's file declares it.
type Spec struct {
	Type  string // one of those above
	Route topology.HookRoute
	// Match is that of Route, as it was written.
	Match   []string
	Command []string // exec: the program, by its absolute path, and its arguments
	URL     string   // of all others; a secret, of Slack's. Default of pagerduty: PagerDuty's own
	Secret  string   // webhook: the key of its signature; pagerduty: the routing key
	CA      string   // file of the authorities that judge the receiver's certificate; empty: the system's

	Timeout time.Duration // of one attempt; default 10 s
	GiveUp  time.Duration // after how long a message is given up; default 15 min
}

func (s Spec) withDefaults() Spec {
	if s.Timeout == 0 {
		s.Timeout = 10 * time.Second
	}
	if s.GiveUp == 0 {
		s.GiveUp = 15 * time.Minute
	}
	if s.URL == "" && s.Type == TypePagerDuty {
		s.URL = pagerDutyURL
	}
	return s
}

// target says where a hook goes, without its secrets.
func (s Spec) target() string {
	if s.Type == TypeExec {
		return s.Command[0]
	}
	return place(s.URL)
}

// sender sends one message: once. It returns when ctx ends at the latest, but for a
// command that can not be killed. Its errors show no secret; one that wraps errRefused is
// for ever, a laterError says when the next attempt has a chance.
type sender interface {
	Send(ctx context.Context, m Message) error
}

func (s Spec) sender() (sender, error) {
	if s.Type == TypeExec {
		if len(s.Command) == 0 || !strings.HasPrefix(s.Command[0], "/") {
			return nil, fmt.Errorf("hook %s: its command is not an absolute path", s.Route.Hook)
		}
		return execHook{s.Command}, nil
	}
	target := s.URL
	const alerts = "/api/v2/alerts"
	if s.Type == TypeAlertmanager && !strings.HasSuffix(target, alerts) {
		target = strings.TrimSuffix(target, "/") + alerts
	}
	post, err := newPoster(target, s.CA)
	if err != nil {
		return nil, fmt.Errorf("hook %s: %w", s.Route.Hook, err)
	}
	switch s.Type {
	case TypeWebhook:
		return webhook{post, s.Secret}, nil
	case TypeAlertmanager:
		return alertmanager{post, max(toldFor, 4*s.Route.Repeat)}, nil
	case TypeSlack:
		return slack{post}, nil
	case TypePagerDuty:
		return pagerDuty{post, s.Secret}, nil
	}
	return nil, fmt.Errorf("hook %s: its type %q is not known", s.Route.Hook, s.Type)
}
