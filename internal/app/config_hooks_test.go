package app

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

const hooked = least + `hooks:
  - name: page
    type: exec
    command: [/bin/true, --now]
    severity: critical
    match: ["lag/*", "member=m1"]
    repeat: 0s
    timeout: 30s
  - name: bus
    type: webhook
    url: https://events.example/in
    secret_file: $DIR/pw
    only_firing: true
  - {name: chat, type: slack, url_env: SQLRING_TEST_SLACK}
  - {name: pager, type: pagerduty, secret_file: $DIR/pw}
  - {name: am, type: alertmanager, url: "http://am.example:9093"}
`

func TestHooksOfTheFile(t *testing.T) {
	t.Setenv("SQLRING_TEST_SLACK", "https://hooks.slack.example/services/T/B/X")
	cfg, _, err := load(t, hooked)
	if err != nil {
		t.Fatal(err)
	}
	specs, err := cfg.hooks()
	if err != nil || len(specs) != 5 {
		t.Fatalf("%d hooks: %v", len(specs), err)
	}
	page, bus, chat, pager, am := specs[0], specs[1], specs[2], specs[3], specs[4]
	if page.Route.Least != topology.UrgencyCritical || page.Route.Repeat != 0 || len(page.Route.Match) != 2 || page.Timeout != 30*time.Second || page.Command[1] != "--now" {
		t.Errorf("page is %+v", page)
	}
	if bus.Secret != "secret" || !bus.Route.Unresolved || bus.Route.Least != topology.UrgencyWarning || bus.Route.Repeat != 4*time.Hour {
		t.Errorf("bus is %+v", bus)
	}
	if !strings.HasSuffix(chat.URL, "/T/B/X") || pager.Secret != "secret" || am.Route.Repeat != time.Minute {
		t.Errorf("%+v %+v %+v", chat, pager, am)
	}
	text, err := cfg.YAML()
	if err != nil || strings.Contains(string(text), "hooks.slack.example") {
		t.Fatalf("%v\n%s", err, text)
	}
	dir := t.TempDir()
	again, err := LoadConfig(writeFile(t, dir, "again.yaml", string(text), 0o600))
	if err != nil || !reflect.DeepEqual(again.Hooks, cfg.Hooks) {
		t.Errorf("%v: came back as %+v", err, again.Hooks)
	}
}

func TestHooksThatAreWrong(t *testing.T) {
	program := writeFile(t, t.TempDir(), "program", "#!/bin/sh\n", 0o600)
	for _, tt := range []struct{ name, hook, want string }{
		{"no name", "{type: exec, command: [/bin/true]}", "hooks[0].name: a name is missing"},
		{"unknown type", "{name: a, type: email}", `hooks[0].type: "email" is not one of exec, webhook`},
		{"unknown key", "{name: a, type: exec, commands: [/bin/true]}", `hooks[0].commands: unknown key: did you mean "command"?`},
		{"no command", "{name: a, type: exec}", "hooks[0].command: it is missing"},
		{"a shell's command", "{name: a, type: exec, command: [page now]}", "there is no PATH to look in, and no shell"},
		{"no program", "{name: a, type: exec, command: [/no/such]}", "hooks[0].command: stat /no/such"},
		{"not executable", "{name: a, type: exec, command: [" + program + "]}", "is not a program: chmod 755"},
		{"a command elsewhere", "{name: a, type: webhook, url: 'https://x', command: [/bin/true]}", "hooks[0].command: a hook of type webhook has none"},
		{"no url", "{name: a, type: slack}", "hooks[0].url: it is missing"},
		{"not a url", "{name: a, type: webhook, url: 'ftp://x/TOPSECRET'}", "hooks[0].url: it is not a URL of http or https"},
		{"a secret in clear text", "{name: a, type: slack, url: 'http://x/TOPSECRET'}", "is a secret: use https"},
		{"no routing key", "{name: a, type: pagerduty}", "hooks[0].secret_file: it is missing"},
		{"no such secret", "{name: a, type: webhook, url: 'https://x', secret_file: /no/such}", "hooks[0].secret_file: read password"},
		{"no such variable", "{name: a, type: webhook, url: 'https://x', secret_env: SQLRING_NO_SUCH}", "SQLRING_NO_SUCH is not set"},
		{"severity", "{name: a, type: exec, command: [/bin/true], severity: high}", `"high" is not one of info, warning, critical`},
		{"match", "{name: a, type: exec, command: [/bin/true], match: [\"what=x\"]}", "hooks[0].match[0]:"},
		{"repeat", "{name: a, type: exec, command: [/bin/true], repeat: 1s}", "hooks[0].repeat: 1s is less than 10s"},
		{"timeout", "{name: a, type: exec, command: [/bin/true], timeout: 1h}", "hooks[0].timeout:"},
		{"no time", "{name: a, type: exec, command: [/bin/true], give_up: soon}", `"soon" is not a time`},
		{"twice", "{name: a, type: exec, command: [/bin/true]}\n  - {name: a, type: exec, command: [/bin/true]}", "hooks[1].name: a is the name of hooks[0] already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := load(t, least+"hooks:\n  - "+tt.hook+"\n")
			var errs ConfigErrors
			if !errors.As(err, &errs) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "TOPSECRET") {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

// A program that others may change is theirs to run.
func TestAProgramOfOthersIsRefused(t *testing.T) {
	path := writeFile(t, t.TempDir(), "program", "#!/bin/sh\n", 0o600)
	if err := os.Chmod(path, 0o777); err != nil { //nolint:gosec // that is the fault
		t.Fatal(err)
	}
	if _, _, err := load(t, least+"hooks:\n  - {name: a, type: exec, command: ["+filepath.ToSlash(path)+"]}\n"); err == nil || !strings.Contains(err.Error(), "may be written by others") {
		t.Errorf("got %v", err)
	}
}
